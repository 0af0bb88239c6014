"""The body of a Responses request as clients send it, and which fields are taken, refused or
ignored.

Checks types and ranges; what the fields mean is not known here.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from server.dialects.refusals import invalid_value, unknown_parameter, unsupported
from server.dialects.wire import HUGE, Array, Flag, Number, Whole, Wire

# Fields that change nothing in the text of an answer: taken and not used.
IGNORED = frozenset(
    {
        "access_programs",
        "client_metadata",
        "image",
        "max_tool_calls",
        "moderation",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "stream_options",
    }
)

# Fields that would change an answer's meaning and that this server does not do.
REFUSED: Mapping[str, str] = {
    "context_management": "this server does not compact conversations; send 'truncation': 'auto'",
    "conversation": "this server keeps no conversations; send 'previous_response_id' or the whole"
    " conversation as 'input'",
    "prompt": "this server keeps no prompt templates; send 'instructions' and 'input'",
    # Chat completions know these; here they have other names, or none.
    "frequency_penalty": "/v1/chat/completions takes it",
    "functions": "send 'tools'",
    "logit_bias": "/v1/chat/completions takes it",
    "logprobs": "send 'include': [\"message.output_text.logprobs\"]",
    "max_completion_tokens": "send 'max_output_tokens'",
    "max_tokens": "send 'max_output_tokens'",
    "messages": "send 'input'",
    "n": "a response is one answer; /v1/chat/completions gives several",
    "presence_penalty": "/v1/chat/completions takes it",
    "reasoning_effort": "send 'reasoning.effort'",
    "response_format": "send 'text.format'",
    "stop": "/v1/chat/completions takes it",
}

LOGPROBS = "message.output_text.logprobs"
SEALED_REASONING = "reasoning.encrypted_content"
# What else may be included belongs to tools and images that there are not.
INCLUDABLE = frozenset(
    {
        LOGPROBS,
        SEALED_REASONING,
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)
MAX_METADATA = 16


class ItemPart(Wire):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None


ItemContent = str | Array[ItemPart] | None


class InputItem(Wire):
    """An item of any type; one without a type is a message."""

    type: str = "message"
    id: str | None = None
    role: str | None = None
    phase: str | None = None
    content: ItemContent = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    output: ItemContent = None


class ResponseTool(Wire):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: Flag | None = None


class TextFormat(Wire):
    type: str
    name: str | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: Flag | None = None


class TextOptions(Wire):
    format: TextFormat | None = None
    verbosity: str | None = Field(default=None, description="ignored")


class ResponseReasoning(Wire):
    effort: str | None = None
    summary: str | None = Field(default=None, description="ignored: there are no summaries")
    context: str | None = None


MetadataKey = Annotated[str, Field(max_length=64)]
MetadataValue = Annotated[str, Field(max_length=512)]


class ResponsesBody(Wire):
    """A Responses request: `input`, or a `previous_response_id` to go on from, is required."""

    model: str | None = None
    input: str | Array[InputItem] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    store: Flag | None = None
    stream: Flag | None = None
    background: Flag | None = Field(default=None, description="false alone")
    include: Array[str] | None = None
    metadata: dict[MetadataKey, MetadataValue] | None = None
    user: str | None = Field(default=None, description="ignored")

    max_output_tokens: Whole | None = Field(default=None, ge=-1, le=HUGE)
    truncation: str | None = Field(
        default=None,
        description="`disabled`, or `auto`: the oldest items are left out as far as needed",
    )
    text: TextOptions | None = None
    reasoning: ResponseReasoning | None = None

    tools: Array[ResponseTool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: Flag | None = Field(
        default=None, description="ignored: one call comes at a time"
    )

    temperature: Number | None = Field(default=None, ge=0, le=2)
    top_p: Number | None = Field(default=None, ge=0, le=1)
    top_logprobs: Whole | None = Field(default=None, ge=0, le=20)
    # Not OpenAI's, but meant by whoever sends them.
    top_k: Whole | None = Field(default=None, ge=-1, le=HUGE)
    min_p: Number | None = Field(default=None, ge=0, le=1)
    seed: Whole | None = Field(default=None, ge=-(2**63), lt=2**63)


def check_fields(body: ResponsesBody, *, strict: bool) -> tuple[str, ...]:
    """The names nobody knows. Errors: ServerError invalid for a field or a value that this server
    refuses, and when `strict` for an unknown field.
    """
    extra = body.model_extra or {}
    for name, reason in REFUSED.items():
        if extra.get(name) is not None:
            raise unsupported(name, reason)
    _check_values(body)
    unknown = tuple(sorted(extra.keys() - IGNORED - REFUSED.keys()))
    if unknown and strict:
        raise unknown_parameter(unknown[0])
    return unknown


def _check_values(body: ResponsesBody) -> None:
    if body.background:
        raise unsupported("background", "this server answers while the client waits; send 'stream'")
    if body.truncation not in (None, "auto", "disabled"):
        raise invalid_value("truncation", "it must be 'auto' or 'disabled'")
    if body.reasoning and body.reasoning.context == "all_turns":
        raise unsupported(
            "reasoning.context", "the model sees its reasoning until it has answered, not longer"
        )
    for index, name in enumerate(body.include or ()):
        if name not in INCLUDABLE:
            raise invalid_value(
                f"include[{index}]", f"it must be one of {', '.join(sorted(INCLUDABLE))}"
            )
    if len(body.metadata or ()) > MAX_METADATA:
        raise invalid_value("metadata", f"at most {MAX_METADATA} pairs are allowed")
