"""Reads a list of models from a file of YAML or JSON: what each is called, where it comes from, how
it is to be served.

Whether files are there is looked at, what is inside them is not; nothing is downloaded here.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from server.core.durations import read_duration
from server.hub.reference import Reference, is_reference, read_reference
from server.registry.registry import names_of
from server.settings.model_file import find_or_name
from server.settings.upstream_source import (
    PATTERNS,
    UpstreamEntry,
    UpstreamSource,
    upstream_source,
)

# What ModelOptions.gpu_layers means by them.
DEVICE_LAYERS = {"auto": -2, "cpu": 0, "cuda": -1, "mps": -1}
LAYER_WORDS = {"auto": -2, "all": -1}
WAY_OUT = "correct the file, or unset MODEL_REGISTRY_PATH"


class Faults(ValueError):
    """Several things that are wrong with one value, a sentence each."""

    def __init__(self, *sentences: str) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSource:
    """A model that is computed on this machine: its file, or where to download it."""

    model: Path | Reference


# Where answers can come from.
ModelOrigin: TypeAlias = LocalSource | UpstreamSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One model to be served. None: as the settings say of all. `keep_alive_s` is negative for a
    model that stays; one that does not `chat` writes on after texts, or makes vectors.
    """

    name: str
    origin: ModelOrigin
    aliases: tuple[str, ...] = ()
    description: str | None = None
    dtype: str | None = None
    device: str | None = None
    gpu_layers: int | None = None
    context_length: int | None = None
    n_parallel: int | None = None
    chat: bool = True
    embeddings: bool = False
    keep_alive_s: float | None = None

    @property
    def local_model(self) -> Path | Reference:
        """Errors: TypeError for a model of another server."""
        if isinstance(self.origin, LocalSource):
            return self.origin.model
        raise TypeError("a model of another server has no file here")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFile:
    """A list of models, and where it stands."""

    path: Path = Path()
    listings: tuple[Listing, ...] = ()

    def __str__(self) -> str:
        return f"{self.path} ({', '.join(each.name for each in self.listings) or 'empty'})"


def read_registry(text: str) -> RegistryFile:
    """Errors: Faults, or ValueError with one sentence."""
    path = Path(text.strip()).expanduser().absolute()
    entries = _entries(path)
    faults: list[str] = []
    listings: list[Listing] = []
    for number, raw in enumerate(entries, 1):
        where = _where(path, number, raw)
        try:
            listing = _listing(raw, path.parent)
            _check_names(listing, listings)
        except ValidationError as error:
            faults += [f"{where}: {sentence}" for sentence in map(_sentence, error.errors())]
        except ValueError as error:
            faults.append(f"{where}: {error}")
        else:
            listings.append(listing)
    if faults:
        raise Faults(*faults)
    return RegistryFile(path=path, listings=tuple(listings))


def _entries(path: Path) -> list[Any]:
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); create it or correct the path"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; write it anew") from None
    whole = _parsed(path, content)
    if isinstance(whole, dict) and isinstance(whole.get("models"), list):
        whole = whole["models"]
    if not isinstance(whole, list):
        raise ValueError(f"{path} holds no list of models; see models/registry.example.yaml")
    return whole


def _parsed(path: Path, content: str) -> Any:
    try:
        return json.loads(content) if path.suffix == ".json" else yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise ValueError(f"{path} is not {kind} ({reason}); {WAY_OUT}") from None


def _where(path: Path, number: int, raw: Any) -> str:
    name = raw.get("name") if isinstance(raw, dict) else None
    return f"{path}, entry {number}" + (f" ({name[:60]})" if isinstance(name, str) else "")


# --- one entry -----------------------------------------------------------------------------------


def _layers(value: Any) -> Any:
    return LAYER_WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


def _seconds(value: Any) -> Any:
    return read_duration(value.strip()) if isinstance(value, str) else value


def _lower(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


Name: TypeAlias = Annotated[str, Field(pattern=r"^\S+$")]


class Entry(BaseModel):
    """An entry as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    path: str | None = None
    hf_repo: str | None = None
    file: str | None = None
    aliases: tuple[Name, ...] = ()
    description: str | None = None
    dtype: str | None = None
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], BeforeValidator(_lower)] | None = None
    n_gpu_layers: Annotated[int, BeforeValidator(_layers), Field(ge=-2)] | None = None
    max_context_tokens: Annotated[int, Field(ge=16)] | None = None
    n_parallel: Annotated[int, Field(ge=1, le=256)] | None = None
    chat: bool = True
    embeddings: bool = False
    upstream: UpstreamEntry | None = None
    keep_alive: Annotated[float, BeforeValidator(_seconds)] | None = None


def _listing(raw: Any, folder: Path) -> Listing:
    """Errors: ValidationError, ValueError."""
    if isinstance(raw, dict) and "context_length" in raw and "max_context_tokens" not in raw:
        raw = {key: value for key, value in raw.items() if key != "context_length"} | {
            "max_context_tokens": raw["context_length"]
        }
    entry = Entry.model_validate(raw)
    return Listing(
        name=entry.name,
        origin=_origin(entry, folder),
        aliases=entry.aliases,
        description=entry.description,
        dtype=entry.dtype,
        device=entry.device,
        gpu_layers=_gpu_layers(entry),
        context_length=entry.max_context_tokens,
        n_parallel=entry.n_parallel,
        chat=entry.chat and not entry.embeddings,
        embeddings=entry.embeddings,
        keep_alive_s=entry.keep_alive,
    )


def _origin(entry: Entry, folder: Path) -> ModelOrigin:
    if [entry.path, entry.hf_repo, entry.upstream].count(None) != 2:
        raise ValueError("it names no model, or two; give one of path, hf_repo and upstream")
    if entry.upstream is not None:
        _check_upstream(entry)
        return upstream_source(entry.upstream, entry.name)
    if entry.path is None:
        repo = f"{entry.hf_repo}".removeprefix("https://").removeprefix("hf.co/")
        file = f":{entry.file}" if entry.file else ""
        return LocalSource(model=read_reference(f"hf.co/{repo}{file}"))
    if entry.file is not None:
        raise ValueError("file belongs to hf_repo; write the whole path, or leave it out")
    if is_reference(entry.path):
        return LocalSource(model=find_or_name(entry.path))
    return LocalSource(model=find_or_name(str(folder / Path(entry.path).expanduser())))


def _check_upstream(entry: Entry) -> None:
    for key in ("file", "dtype", "device", "n_gpu_layers", "n_parallel", "keep_alive"):
        if getattr(entry, key) is not None:
            raise ValueError(f"{key} is of no use with upstream; leave it out")
    if entry.embeddings:
        raise ValueError("embeddings of other servers are not available; leave embeddings out")


def _gpu_layers(entry: Entry) -> int | None:
    layers = entry.n_gpu_layers
    if layers is None:
        return None if entry.device is None else DEVICE_LAYERS[entry.device]
    if entry.device == "cpu" and layers != 0:
        raise ValueError("device is cpu, and n_gpu_layers puts layers on a GPU; leave one out")
    return layers


def _check_names(listing: Listing, others: list[Listing]) -> None:
    own = names_of(listing.name, listing.aliases)
    for other in others:
        if twice := own & names_of(other.name, other.aliases):
            raise ValueError(f"the name {min(twice)} is that of {other.name} too; change one")


def _sentence(error: ErrorDetails) -> str:
    """What pydantic found, in our words."""
    if not error["loc"]:
        return "it is no mapping of keys to values; see models/registry.example.yaml"
    field = _field(error["loc"])
    if error["type"] == "extra_forbidden":
        keys = UpstreamEntry if error["loc"][0] == "upstream" else Entry
        return f"{field} is no key; there are {', '.join(keys.model_fields)}"
    if error["type"] == "missing":
        return f"{field} is missing"
    if error["type"] == "string_pattern_mismatch":
        return f"{field} is not {PATTERNS.get(field, 'a name without spaces')}"
    reason = error.get("ctx", {}).get("error") or error["msg"]
    return f"{field}: {_lowered(str(reason))}"


def _field(location: tuple[int | str, ...]) -> str:
    first, *rest = location
    inner = [f"[{each}]" for each in rest if isinstance(each, int)]
    if first == "upstream":
        inner = [f".{each}" for each in rest]
    return f"{first}{''.join(inner)}"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
