"""The kinds of value that a setting can have beyond plain numbers and text, and how each is read.

Every reader takes text as it stands in the environment and raises ValueError with one sentence.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, SecretStr

from server.api.forwarded import Network
from server.auth.key_text import read_table
from server.auth.keys import KeyTable
from server.core.durations import read_duration
from server.hub.reference import Reference
from server.settings.model_file import find_or_name
from server.settings.registry_file import RegistryFile, read_registry

# What ModelOptions.gpu_layers means by them.
GPU_LAYERS = {"auto": -2, "all": -1, "-1": -1}
AUTO_BYTES = -1
MOST_PORTS = 8
_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "": 1}
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/,*]+")
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


def setting(default: object, description: str, /, **more: Any) -> Any:
    """A field. `example`: shown where there is no default; `expected`: says a good value in words;
    `secret`: never shown, and not taken from the command line.
    """
    extra: dict[str, Any] = {
        key: more.pop(key) for key in ("example", "expected", "secret") if key in more
    }
    return Field(default, description=description, json_schema_extra=extra, **more)


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


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes; -1: chosen for the machine."""

    bytes: int

    def __str__(self) -> str:
        if self.bytes == AUTO_BYTES:
            return "auto"
        unit = next(unit for unit, factor in _UNITS.items() if self.bytes % factor == 0)
        return f"{self.bytes // _UNITS[unit]}{unit}" if self.bytes else "0"


def read_size(text: str) -> Size:
    match = re.fullmatch(r"([0-9]{1,15}) ?([kmg]i?b?)?", text.strip().lower(), re.ASCII)
    if match is None:
        raise ValueError(f'"{text[:100]}" is not a number of bytes; write it like 512MiB or 4GiB')
    unit = f"{match[2][0].upper()}iB" if match[2] else ""
    return Size(int(match[1]) * _UNITS[unit])


def read_size_or_auto(text: str) -> Size:
    return Size(AUTO_BYTES) if text.strip().lower() == "auto" else read_size(text)


def read_folder(text: str) -> Path:
    path = Path(os.path.expanduser(text.strip())).absolute()
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"{path} is not a folder; name one, or set PREFIX_CACHE_DISK=0")
    return path


@dataclass(frozen=True, slots=True)
class Origins:
    """Where web pages come from, as browsers write it."""

    urls: tuple[str, ...]

    def __str__(self) -> str:
        return ",".join(self.urls)


def read_origins(text: str) -> Origins:
    urls = [url.strip().rstrip("/").lower() for url in text.split(",")]
    for url in filter(None, urls):
        if url != "*" and not _ORIGIN.fullmatch(url):
            raise ValueError(
                f'"{url[:100]}" is not an origin; write https://chat.example.com, without a path'
            )
    return Origins(tuple(dict.fromkeys(filter(None, urls))))


@dataclass(frozen=True, slots=True)
class NameList:
    """Names of models."""

    names: tuple[str, ...]

    def __str__(self) -> str:
        return ",".join(self.names)


def read_names(text: str) -> NameList:
    return NameList(tuple(name for name in map(str.strip, text.split(",")) if name))


@dataclass(frozen=True, slots=True)
class Seconds:
    """A duration; negative: for ever."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:g}"


def read_seconds(text: str) -> Seconds:
    try:
        return Seconds(read_duration(text.strip()))
    except ValueError:
        raise ValueError(
            f'"{text[:100]}" is not a duration; write seconds, or 5m, or -1 for ever'
        ) from None


@dataclass(frozen=True, slots=True)
class Proxies:
    """Addresses, as networks of one, and networks."""

    networks: tuple[Network, ...]

    def __str__(self) -> str:
        return ",".join(
            str(each.network_address if each.num_addresses == 1 else each) for each in self.networks
        )


def read_proxies(text: str) -> Proxies:
    return Proxies(tuple(_network(part.strip()) for part in text.split(",") if part.strip()))


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(
            f'"{text[:100]}" is not an address or a network; write 127.0.0.1 or 10.0.0.0/8, with'
            " commas between"
        ) from None


@dataclass(frozen=True, slots=True)
class Ports:
    """Ports to listen on, each once; 0: any free one."""

    numbers: tuple[int, ...]

    def __str__(self) -> str:
        return ",".join(map(str, self.numbers))


def read_ports(text: str) -> Ports:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not (part.isascii() and part.isdigit() and len(part) <= 5 and int(part) <= 65535):
            raise ValueError(
                f'"{part[:100]}" is not a port between 0 and 65535; write 8080, with commas between'
            )
    if len(numbers := tuple(dict.fromkeys(map(int, parts)))) > MOST_PORTS:
        raise ValueError(f"these are {len(numbers)} ports, more than {MOST_PORTS}; leave some out")
    return Ports(numbers)


def read_models_folder(text: str) -> Path:
    path = Path(os.path.expanduser(text.strip())).absolute()
    if os.path.exists(path) and not os.path.isdir(path):
        raise ValueError(f"{path} is not a folder; name one")
    return path


def read_token(text: str) -> str:
    if re.fullmatch(r"[\x21-\x7e]+", token := text.strip()) is None:
        raise ValueError("this is no token: it has spaces or foreign letters; copy it again")
    return token


def _from_text(read: Callable[[str], Any]) -> BeforeValidator:
    """Reads text; a value that is none (a default, a test's own) is taken as it is."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def _lower(text: str) -> str:
    return text.strip().lower()


ModelSource: TypeAlias = Annotated[Path | Reference, _from_text(find_or_name)]
RegistrySource: TypeAlias = Annotated[RegistryFile, _from_text(read_registry)]
Names: TypeAlias = Annotated[NameList, _from_text(read_names)]
Duration: TypeAlias = Annotated[Seconds, _from_text(read_seconds)]
Device: TypeAlias = Annotated[Literal["auto", "cpu", "cuda", "mps"], _from_text(_lower)]
ModelsFolder: TypeAlias = Annotated[Path, _from_text(read_models_folder)]
Token: TypeAlias = Annotated[SecretStr, _from_text(read_token)]
Keys: TypeAlias = Annotated[KeyTable, _from_text(read_table)]
KeysFromFile: TypeAlias = Annotated[KeyFile, _from_text(read_key_file)]
GpuLayers: TypeAlias = Annotated[int, _from_text(read_gpu_layers)]
Level: TypeAlias = Annotated[LogLevel, _from_text(_lower)]
Repack: TypeAlias = Annotated[Literal["auto", "on", "off"], _from_text(_lower)]
Speculation: TypeAlias = Annotated[Literal["auto", "off"], _from_text(_lower)]
Sharing: TypeAlias = Annotated[Literal["key", "all"], _from_text(_lower)]
SizeOrAuto: TypeAlias = Annotated[Size, _from_text(read_size_or_auto)]
Bytes: TypeAlias = Annotated[Size, _from_text(read_size)]
Folder: TypeAlias = Annotated[Path, _from_text(read_folder)]
HealthWord: TypeAlias = Annotated[Literal["ok", "healthy"], _from_text(_lower)]
UnknownModel: TypeAlias = Annotated[Literal["refuse", "default"], _from_text(_lower)]
TrustedProxies: TypeAlias = Annotated[Proxies, _from_text(read_proxies)]
ExtraPorts: TypeAlias = Annotated[Ports, _from_text(read_ports)]
AllowedOrigins: TypeAlias = Annotated[Origins, _from_text(read_origins)]
DefaultEffort: TypeAlias = Annotated[Literal["low", "medium", "high"], _from_text(_lower)]
