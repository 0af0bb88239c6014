"""The body of a completion request as clients send it, and which fields are taken, refused or
ignored.

Checks types and ranges; what the fields mean is not known here.
"""

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from server.dialects.openai_chat_body import AnswerBody
from server.dialects.other_fields import OtherFields
from server.dialects.refusals import unsupported
from server.dialects.wire import Flag, Whole

OTHER_FIELDS = OtherFields(
    ignored=frozenset(
        {
            "add_special_tokens",
            "cache_prompt",
            "metadata",
            "prompt_cache_key",
            "reasoning_effort",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
        }
    ),
    refused={
        "messages": "send it to /v1/chat/completions",
        "prompt_embeds": "send 'prompt'",
        "prompt_logprobs": "the tokens of a prompt have no log probabilities here",
        "tools": "send it to /v1/chat/completions",
        "use_beam_search": "ask for 'n' answers and choose",
    },
)

_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
# Looked at by hand: among four shapes a long list with a slip would be reported once for each of
# its elements, and for every shape.
_PROMPT_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1},
        _TOKENS,
        {"type": "array", "items": _TOKENS, "minItems": 1},
    ]
}


class CompletionsBody(AnswerBody):
    """A completion request. `prompt` alone is required: a text, token ids, or several of them."""

    prompt: Annotated[Any, WithJsonSchema(_PROMPT_SCHEMA)]
    suffix: str | None = Field(
        default=None, description="by models that can fill in the middle of a text, else refused"
    )
    echo: Flag | None = None
    best_of: Whole | None = Field(
        default=None, ge=1, description="1 or as many as `n`, and 1 in a stream"
    )
    logprobs: Whole | None = Field(
        default=None, ge=0, le=5, description="without `echo`: not of the prompt's tokens"
    )
    skip_special_tokens: Flag | None = Field(default=None, description="true alone")


def check_fields(body: CompletionsBody, *, strict: bool) -> tuple[str, ...]:
    """The names nobody knows. Errors: ServerError invalid for a field or a value that this server
    refuses, and when `strict` for an unknown field.
    """
    if body.echo and body.logprobs is not None:
        raise unsupported(
            "logprobs",
            "the tokens of a prompt have no log probabilities here; leave out 'logprobs' or 'echo'",
        )
    if body.skip_special_tokens is False:
        raise unsupported("skip_special_tokens", "control tokens are never shown; leave it out")
    return OTHER_FIELDS.check(body, strict=strict)
