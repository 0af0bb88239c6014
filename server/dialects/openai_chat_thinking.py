"""How long the model is to think and whether the client wants to see it, in the words of several
APIs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from server.core.request import Effort
from server.dialects.base import Rules
from server.dialects.openai_chat_body import ChatBody
from server.dialects.openai_errors import invalid_value

EFFORT_HEADER = "x-reasoning-effort"

# The effort the model knows, whether its reasoning is shown, and how many tokens it may take.
_Meaning: TypeAlias = tuple[Effort, bool, int | None]
_EFFORTS: Mapping[str, _Meaning] = {
    "none": ("low", False, 0),
    "minimal": ("low", False, None),
    "low": ("low", True, None),
    "medium": ("medium", True, None),
    "high": ("high", True, None),
    "xhigh": ("high", True, None),
    "max": ("high", True, None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """`budget` None: as many tokens as suit the effort. `fields` are the names under which the
    reasoning is given; none where the client wants none.
    """

    effort: Effort
    budget: int | None
    fields: tuple[str, ...]


def to_thinking(
    body: ChatBody, rules: Rules, *, header: str | None, suffix: Effort | None
) -> Thinking:
    """The effort comes from the header, the body, the model's suffix or the operator. Errors:
    ServerError invalid.
    """
    effort, shown, budget = _meaning(body, header) or (suffix or rules.effort_default, True, None)
    named = _budget(body)
    return Thinking(
        effort=effort,
        budget=budget if named is None else named,
        fields=_fields(body, rules) if shown else (),
    )


def _meaning(body: ChatBody, header: str | None) -> _Meaning | None:
    nested = body.reasoning.effort if body.reasoning else None
    for param, value in (
        (EFFORT_HEADER, header),
        ("reasoning_effort", body.reasoning_effort),
        ("reasoning.effort", nested),
    ):
        if value is not None:
            return _known(param, value)
    return None


def _known(param: str, value: str) -> _Meaning:
    try:
        return _EFFORTS[value.strip().lower()]
    except KeyError:
        raise invalid_value(param, f"it must be one of {', '.join(_EFFORTS)}") from None


def _budget(body: ChatBody) -> int | None:
    """The first that is given; -1 leaves it to the server."""
    nested = body.reasoning.max_tokens if body.reasoning else None
    given = (body.reasoning_budget, body.thinking_budget, nested)
    budget = next((each for each in given if each is not None), -1)
    return None if budget < 0 else budget


def _fields(body: ChatBody, rules: Rules) -> tuple[str, ...]:
    if body.include_reasoning is False or (body.reasoning and body.reasoning.exclude):
        return ()
    return ("reasoning", "reasoning_content") if rules.reasoning_alias else ("reasoning",)
