"""How long: Go's durations, which Ollama's clients and operators write, as seconds."""

import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_DURATION = re.compile(rf"[+-]?(?:{_PART.pattern})+")
_SECONDS = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_LONGEST = 60


def read_duration(text: str) -> float:
    """Seconds; a bare number, which Go refuses, counts them. Errors: ValueError."""
    if len(text) <= _LONGEST:
        if _SECONDS.fullmatch(text):
            return float(text)
        if _DURATION.fullmatch(text):
            sign = -1 if text.startswith("-") else 1
            return sign * sum(float(count) * _UNITS[unit] for count, unit in _PART.findall(text))
    raise ValueError(f'invalid duration "{text[:40]}"')
