"""The words in which OpenAI's clients ask how long the model thinks. Knows no request."""

from collections.abc import Mapping

from server.core.request import Effort
from server.dialects.openai_errors import invalid_value

EFFORT_HEADER = "x-reasoning-effort"

# What a client may ask -> (the effort the model knows, whether its reasoning is shown).
_EFFORTS: Mapping[str, tuple[Effort, bool]] = {
    "none": ("low", False),
    "minimal": ("low", False),
    "low": ("low", True),
    "medium": ("medium", True),
    "high": ("high", True),
    "xhigh": ("high", True),
    "max": ("high", True),
}


def known_effort(param: str, value: str) -> tuple[Effort, bool]:
    """The model's effort, and whether to show the reasoning. Errors: ServerError invalid."""
    try:
        return _EFFORTS[value.strip().lower()]
    except KeyError:
        raise invalid_value(param, f"it must be one of {', '.join(_EFFORTS)}") from None
