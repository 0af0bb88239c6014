"""How long the model is to think and whether the client wants to see it, in the words of several
APIs.
"""

from dataclasses import dataclass

from server.core.request import Effort
from server.dialects.base import Rules
from server.dialects.openai_chat_body import ChatBody
from server.dialects.openai_effort import EFFORT_HEADER, Meaning, known_effort


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


def _meaning(body: ChatBody, header: str | None) -> Meaning | None:
    nested = body.reasoning.effort if body.reasoning else None
    for param, value in (
        (EFFORT_HEADER, header),
        ("reasoning_effort", body.reasoning_effort),
        ("reasoning.effort", nested),
    ):
        if value is not None:
            return known_effort(param, value)
    return None


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
