"""POST /chat: one message in, one text out -> a core request, and the reply that words its answer.

Knows neither HTTP nor the engine's defaults.
"""

from typing import Literal

from pydantic import Field

from server.core.messages import Conversation, UserMessage
from server.core.request import GenerationRequest, Sampling
from server.dialects.base import Call, Rules
from server.dialects.json_body import read
from server.dialects.openai_chat import Asked
from server.dialects.openai_effort import EFFORT_HEADER, Meaning, known_effort
from server.dialects.other_fields import OtherFields
from server.dialects.refusals import invalid_value
from server.dialects.simple_reply import SimpleReply, SimpleStyle
from server.dialects.wire import HUGE, Flag, Number, Whole, Wire

MAX_TOKENS = 512
TEMPERATURE = 0.7
OTHER_FIELDS = OtherFields(
    refused={
        "messages": "send it to /v1/chat/completions, or one 'message'",
        "n": "there is one answer; /v1/chat/completions gives several",
        "tools": "send it to /v1/chat/completions",
    }
)


class SimpleBody(Wire):
    """A question. `message` alone is required; an answer has at most 512 tokens and is drawn at a
    temperature of 0.7 unless something else is said.
    """

    message: str
    model: str | None = None
    max_tokens: Whole | None = Field(default=None, ge=-1, le=HUGE)
    temperature: Number | None = Field(default=None, ge=0, le=2)
    reasoning: str | None = Field(default=None, description="`low`, `medium` or `high`")
    stream: Flag | None = None
    stream_format: Literal["text", "json"] | None = None


def read_body(raw: bytes) -> SimpleBody:
    """Errors: ServerError invalid."""
    return read(raw, SimpleBody)


def to_call(body: SimpleBody, asked: Asked, rules: Rules) -> Call:
    """The whole call. Errors: ServerError invalid, `param` naming the field."""
    unknown = OTHER_FIELDS.check(body, strict=rules.strict_params)
    default: Meaning = (asked.effort_suffix or rules.effort_default, True, None)
    effort, _, budget = _meaning(body, asked) or default
    request = GenerationRequest(
        id=asked.id,
        owner=asked.owner,
        prompt=Conversation(messages=(UserMessage(text=body.message),), path="message"),
        effort=effort,
        reasoning_budget=budget,
        max_tokens=_max_tokens(body, rules),
        fit=_is_unlimited(body),
        sampling=Sampling(
            temperature=TEMPERATURE if body.temperature is None else body.temperature
        ),
    )
    style = SimpleStyle(model=asked.model, as_json=body.stream_format == "json")
    return Call(
        requests=(request,), stream=bool(body.stream), reply=SimpleReply(style), unknown=unknown
    )


def _meaning(body: SimpleBody, asked: Asked) -> Meaning | None:
    """The field wins over the header."""
    for param, value in (("reasoning", body.reasoning), (EFFORT_HEADER, asked.effort_header)):
        if value is not None:
            return known_effort(param, value)
    return None


def _is_unlimited(body: SimpleBody) -> bool:
    """0 and -1 mean the same as nothing, as in a chat."""
    return body.max_tokens is None or body.max_tokens <= 0


def _max_tokens(body: SimpleBody, rules: Rules) -> int:
    limit = rules.output_tokens_limit
    if _is_unlimited(body):
        return MAX_TOKENS if limit is None else min(MAX_TOKENS, limit)
    asked = body.max_tokens or MAX_TOKENS
    if limit is not None and asked > limit:
        raise invalid_value("max_tokens", f"this server gives at most {limit} tokens for an answer")
    return asked
