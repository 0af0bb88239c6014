"""The kinds of value that a setting can have beyond plain numbers and text, and how each is read.

Every reader takes text as it stands in the environment and raises ValueError with one sentence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator

from server.auth.key_text import read_table
from server.auth.keys import KeyTable
from server.settings_model_file import find_model

# What ModelOptions.gpu_layers means by them.
GPU_LAYERS = {"auto": -2, "all": -1, "-1": -1}
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A file of keys, read when the server starts."""

    path: Path
    table: KeyTable

    def __str__(self) -> str:
        return f"{self.path} ({self.table})"


def read_key_file(text: str) -> KeyFile:
    path = Path(text.strip()).expanduser().absolute()
    try:
        return KeyFile(path=path, table=read_table(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}); create it or correct the path"
        ) from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; write it anew") from None
    except ValueError as error:
        raise ValueError(f"in {path}: {error}") from None


def read_gpu_layers(text: str) -> int:
    name = text.strip().lower()
    if name in GPU_LAYERS:
        return GPU_LAYERS[name]
    if name.isascii() and name.isdigit():
        return int(name)
    raise ValueError(f'"{text[:100]}" is not auto, all or a count of layers; set N_GPU_LAYERS=auto')


def _from_text(read: Callable[[str], Any]) -> BeforeValidator:
    """Reads text; a value that is none (a default, a test's own) is taken as it is."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def _lower(text: str) -> str:
    return text.strip().lower()


ModelFile: TypeAlias = Annotated[Path, _from_text(find_model)]
Keys: TypeAlias = Annotated[KeyTable, _from_text(read_table)]
KeysFromFile: TypeAlias = Annotated[KeyFile, _from_text(read_key_file)]
GpuLayers: TypeAlias = Annotated[int, _from_text(read_gpu_layers)]
Level: TypeAlias = Annotated[LogLevel, _from_text(_lower)]
Repack: TypeAlias = Annotated[Literal["auto", "on", "off"], _from_text(_lower)]
DefaultEffort: TypeAlias = Annotated[Literal["low", "medium", "high"], _from_text(_lower)]
