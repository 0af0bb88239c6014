"""Says what is wrong with a setting: the variable, what it holds, and what would be right.

Never repeats the value of a secret one.
"""

import ipaddress
import json
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from server.settings.checks_models import MODEL_CHECKS
from server.settings.registry_file import Faults
from server.settings.settings import Settings

SHOWN_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Problem:
    variable: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.sentence}"


def misread(error: ErrorDetails, texts: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with one field's text."""
    name = str(error["loc"][0])
    if own := error.get("ctx", {}).get("error"):
        sentences = own.sentences if isinstance(own, Faults) else (str(own),)
        yield from (Problem(name.upper(), sentence) for sentence in sentences)
        return
    info = Settings.model_fields[name]
    shown = json.dumps(texts[name][:SHOWN_CHARACTERS], ensure_ascii=False)
    way_out = f"set {name.upper()}={example(info)}"
    yield Problem(name.upper(), f"{shown} is not {expected(info)}; {way_out}")


def contradictions(settings: Settings, bad: Collection[str]) -> Iterator[Problem]:
    """What is wrong with values that are right one by one. `bad` variables are not looked at: their
    values are unknown.
    """
    for names, check in CHECKS:
        if not set(names) & set(bad) and (sentence := check(settings)):
            yield Problem(names[0], sentence)


def expected(info: FieldInfo) -> str:
    """A field's good values in words."""
    if words := _extra(info).get("expected"):
        return str(words)
    kind = _kind(info.annotation)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if kind is bool:
        return "1 or 0 (or true, false, on, off)"
    return f"{'a whole number' if kind is int else 'a number'}{_limits(info)}"


def example(info: FieldInfo) -> str:
    """A good value of a field, as one would write it."""
    value = _extra(info).get("example", info.default)
    return str(int(value)) if isinstance(value, bool) else str(value)


def secret(info: FieldInfo) -> bool:
    return bool(_extra(info).get("secret"))


def loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _extra(info: FieldInfo) -> Mapping[str, Any]:
    extra = info.json_schema_extra
    return extra if isinstance(extra, dict) else {}


def _kind(annotation: object) -> object:
    """The type behind `T | None`."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(kind for kind in get_args(annotation) if kind is not type(None))
    return annotation


def _limits(info: FieldInfo) -> str:
    limits = {type(limit): limit for limit in info.metadata}
    low, high = limits.get(annotated_types.Ge), limits.get(annotated_types.Le)
    if low and high:
        return f" between {low.ge} and {high.le}"
    words = [f"of at least {low.ge}"] if low else []
    words += [f"above {limit.gt}" for limit in limits.values() if hasattr(limit, "gt")]
    words += [f"of at most {high.le}"] if high else []
    return f" {' and '.join(words)}" if words else ""


def _open_to_all(settings: Settings) -> str | None:
    if loopback(settings.host) or not settings.keys.open or settings.allow_anonymous:
        return None
    return (
        f"{settings.host} can be reached from other machines, and there are no keys; set API_KEYS"
        " or API_KEYS_FILE, or HOST=127.0.0.1, or ALLOW_ANONYMOUS=1 to let everybody in"
    )


def _published_to_all(settings: Settings) -> str | None:
    if settings.trusted_proxies is None or not settings.keys.open or settings.allow_anonymous:
        return None
    return (
        "a proxy lets others in, and there are no keys; set API_KEYS or API_KEYS_FILE, or"
        " ALLOW_ANONYMOUS=1 to let everybody in"
    )


def _same_key(settings: Settings) -> str | None:
    digests = [entry.digest for entry in settings.keys]
    if len(set(digests)) == len(digests):
        return None
    return "a key stands in API_KEYS and in API_KEYS_FILE; remove it from one of them"


def _one_port_twice(settings: Settings) -> str | None:
    port = settings.ollama_port
    if not port or port not in (settings.port, *settings.further_ports):
        return None
    other = "PORT already" if port == settings.port else "one of EXTRA_PORTS"
    return f"{port} is {other}; set OLLAMA_PORT=11434, or leave it out"


# The variables that a check reads, the one to blame first.
CHECKS: tuple[tuple[tuple[str, ...], Callable[[Settings], str | None]], ...] = (
    (("HOST", "API_KEYS", "API_KEYS_FILE", "ALLOW_ANONYMOUS"), _open_to_all),
    (("TRUSTED_PROXIES", "API_KEYS", "API_KEYS_FILE", "ALLOW_ANONYMOUS"), _published_to_all),
    (("API_KEYS", "API_KEYS_FILE"), _same_key),
    (("OLLAMA_PORT", "PORT", "EXTRA_PORTS"), _one_port_twice),
    *MODEL_CHECKS,
)
