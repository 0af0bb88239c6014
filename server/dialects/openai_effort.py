"""The words in which OpenAI's clients ask how long the model thinks. Knows no request."""

from collections.abc import Mapping
from typing import TypeAlias

from server.core.request import Effort
from server.dialects.refusals import invalid_value

EFFORT_HEADER = "x-reasoning-effort"

# The effort the model knows, whether its reasoning is shown, and how many tokens it may take.
Meaning: TypeAlias = tuple[Effort, bool, int | None]
_EFFORTS: Mapping[str, Meaning] = {
    "none": ("low", False, 0),
    "minimal": ("low", False, None),
    "low": ("low", True, None),
    "medium": ("medium", True, None),
    "high": ("high", True, None),
    "xhigh": ("high", True, None),
    "max": ("high", True, None),
}


def known_effort(param: str, value: str) -> Meaning:
    """What a client's word means. Errors: ServerError invalid."""
    try:
        return _EFFORTS[value.strip().lower()]
    except KeyError:
        raise invalid_value(param, f"it must be one of {', '.join(_EFFORTS)}") from None
