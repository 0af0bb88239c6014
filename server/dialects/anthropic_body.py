"""The body of a Messages request as clients send it, and which fields are taken, refused, ignored.

Checks types and ranges; what the fields mean is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from server.core.errors import ServerError
from server.dialects.refusals import unsupported
from server.dialects.wire import HUGE, Array, Flag, Number, Whole, Wire

# Fields that change nothing in the text of an answer: taken and not used.
IGNORED = frozenset(
    {
        "anthropic_beta",
        "anthropic_version",
        "betas",
        "cache_control",
        "context_management",
        "diagnostics",
        "inference_geo",
        "metadata",
        "service_tier",
        "speed",
        "user_profile_id",
        "workspace_id",
    }
)

# Fields that would change an answer's meaning and that this server does not do.
REFUSED: Mapping[str, str] = {
    "container": "this server runs no code",
    "mcp_servers": "this server calls no tools by itself; offer them in 'tools'",
}


class PictureSource(Wire):
    type: str | None = None
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class MessageBlock(Wire):
    """One block of content: its type says which fields mean something."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: str | Array[MessageBlock] | None = None
    is_error: Flag | None = None
    source: PictureSource | None = Field(
        default=None, description="of an `image`, for a model that sees"
    )


class MessageTurn(Wire):
    role: str
    content: str | Array[MessageBlock]


class MessageTool(Wire):
    type: str | None = None
    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: Flag | None = None


class MessageToolChoice(Wire):
    type: str
    name: str | None = None


class ThinkingOptions(Wire):
    type: str
    budget_tokens: Whole | None = Field(default=None, ge=1, le=HUGE)
    display: str | None = None


class OutputFormat(Wire):
    type: str
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class OutputOptions(Wire):
    effort: str | None = None
    format: OutputFormat | None = None


class CountBody(Wire):
    """What is counted: the part of a Messages request that makes the prompt."""

    model: str | None = None
    messages: Array[MessageTurn]
    system: str | Array[MessageBlock] | None = None
    tools: Array[MessageTool] | None = None
    tool_choice: MessageToolChoice | None = None
    thinking: ThinkingOptions | None = None
    output_config: OutputOptions | None = None
    output_format: OutputFormat | None = None


class MessagesBody(CountBody):
    """A Messages request. `messages` and `max_tokens` are required."""

    max_tokens: Whole = Field(ge=1, le=HUGE)
    stream: Flag | None = None
    stop_sequences: Array[str] | None = None
    temperature: Number | None = Field(default=None, ge=0, le=2)
    top_p: Number | None = Field(default=None, ge=0, le=1)
    top_k: Whole | None = Field(default=None, ge=0, le=HUGE)


def check_fields(body: CountBody, *, strict: bool) -> tuple[str, ...]:
    """The names nobody knows. Errors: ServerError invalid for a field that this server refuses, and
    when `strict` for an unknown one.
    """
    extra = body.model_extra or {}
    for name, reason in REFUSED.items():
        if extra.get(name):
            raise unsupported(name, reason)
    unknown = tuple(sorted(extra.keys() - IGNORED - REFUSED.keys()))
    if unknown and strict:
        raise ServerError(
            "invalid", f"Unknown parameter: '{unknown[0]}'; leave it out.", param=unknown[0]
        )
    return unknown
