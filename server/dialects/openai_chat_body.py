"""The body of a chat completion request as clients send it, and which fields are taken, refused or
ignored.

Checks types and ranges; what the fields mean is not known here.
"""

from typing import Annotated, Any

from pydantic import Field

from server.dialects.other_fields import OtherFields
from server.dialects.refusals import unsupported
from server.dialects.wire import HUGE, LONGEST_WINDOW, Array, Flag, Number, Whole, Wire

OTHER_FIELDS = OtherFields(
    ignored=frozenset(
        {
            "metadata",
            "moderation",
            "parallel_tool_calls",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
            "verbosity",
        }
    ),
    refused={
        "audio": "this server writes text only",
        "best_of": "ask for 'n' answers and choose",
        "guided_choice": "write it as a 'grammar', or as an enum of a JSON schema",
        "guided_regex": "write it as a 'grammar', or as a pattern of a JSON schema",
        "web_search_options": "this server does not search the web",
    },
)


class PictureAddress(Wire):
    url: str | None = None
    detail: str | None = None


class ContentPart(Wire):
    type: str = Field(description="`text` or `refusal`; `image_url` for a model that sees")
    text: str | None = None
    refusal: str | None = None
    image_url: PictureAddress | str | None = None


Content = str | Array[ContentPart] | None


class CalledFunction(Wire):
    name: str
    arguments: str | dict[str, Any] | None = None


class ToolCallPart(Wire):
    id: str
    type: str = "function"
    function: CalledFunction


class ChatMessage(Wire):
    role: str
    content: Content = None
    name: str | None = Field(default=None, description="of a `function` message; else ignored")
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    thinking: str | None = None
    tool_calls: Array[ToolCallPart] | None = None
    tool_call_id: str | None = None
    function_call: CalledFunction | None = None


class FunctionPart(Wire):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: Flag | None = None


class ToolPart(Wire):
    type: str = Field(default="function", description="`function` alone")
    function: FunctionPart | None = None


class StreamOptions(Wire):
    include_usage: Flag | None = None


class ReasoningOptions(Wire):
    effort: str | None = None
    exclude: Flag | None = None
    max_tokens: Whole | None = Field(default=None, ge=-1, le=HUGE)


class JsonFormat(Wire):
    """A form of answer. `strict` or not, the answer keeps to the schema."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")] | None = None
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: Flag | None = None


class ResponseFormat(Wire):
    """`schema` beside `type` is what llama.cpp's clients write."""

    type: str
    json_schema: JsonFormat | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class AnswerBody(Wire):
    """What a client says of an answer, whatever is answered: length, sampling, form."""

    model: str | None = None
    stream: Flag | None = None
    stream_options: StreamOptions | None = None
    n: Whole | None = Field(default=None, ge=1, description="at most 4")

    max_completion_tokens: Whole | None = Field(default=None, ge=-1, le=HUGE)
    max_tokens: Whole | None = Field(
        default=None,
        ge=-1,
        le=HUGE,
        description="visible tokens; -1 is the same as nothing: `MAX_OUTPUT_TOKENS`",
    )
    min_tokens: Whole | None = Field(default=None, ge=0, le=HUGE)
    stop: str | Array[str] | None = Field(default=None, description="at most 16 of them")
    seed: Whole | None = Field(default=None, ge=-(2**63), lt=2**63)

    temperature: Number | None = Field(default=None, ge=0, le=2)
    top_p: Number | None = Field(default=None, ge=0, le=1)
    top_k: Whole | None = Field(default=None, ge=-1, le=HUGE)
    min_p: Number | None = Field(default=None, ge=0, le=1)
    typical_p: Number | None = Field(default=None, gt=0, le=1)
    repeat_penalty: Number | None = Field(default=None, gt=0, le=10)
    repetition_penalty: Number | None = Field(default=None, gt=0, le=10)
    repeat_last_n: Whole | None = Field(default=None, ge=-1, le=LONGEST_WINDOW)
    frequency_penalty: Number | None = Field(default=None, ge=-2, le=2)
    presence_penalty: Number | None = Field(default=None, ge=-2, le=2)
    mirostat: Whole | None = Field(default=None, ge=0, le=2)
    mirostat_tau: Number | None = Field(default=None, ge=0, le=100)
    mirostat_eta: Number | None = Field(default=None, ge=0, le=1)
    top_n_sigma: Number | None = Field(default=None, ge=-1, le=100)
    xtc_probability: Number | None = Field(default=None, ge=0, le=1)
    xtc_threshold: Number | None = Field(default=None, ge=0, le=1)
    dry_multiplier: Number | None = Field(default=None, ge=0, le=100)
    dry_base: Number | None = Field(default=None, ge=1, le=100)
    dry_allowed_length: Whole | None = Field(default=None, ge=0, le=LONGEST_WINDOW)
    dry_penalty_last_n: Whole | None = Field(default=None, ge=-1, le=LONGEST_WINDOW)
    logit_bias: dict[str, Annotated[Number, Field(ge=-100, le=100)]] | None = None

    timings: Flag | None = None
    timings_per_token: Flag | None = None

    response_format: ResponseFormat | None = None
    json_schema: dict[str, Any] | None = None
    guided_json: dict[str, Any] | str | None = None
    grammar: str | None = None
    guided_grammar: str | None = None


class ChatBody(AnswerBody):
    """A chat completion request. `messages` alone is required."""

    messages: Array[ChatMessage]

    logprobs: Flag | None = None
    top_logprobs: Whole | None = Field(default=None, ge=0, le=20)
    modalities: Array[str] | None = Field(default=None, description="`text` alone")

    tools: Array[ToolPart] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: Array[FunctionPart] | None = None
    function_call: str | dict[str, Any] | None = None

    reasoning_effort: str | None = None
    reasoning: ReasoningOptions | None = None
    include_reasoning: Flag | None = None
    reasoning_budget: Whole | None = Field(default=None, ge=-1, le=HUGE)
    thinking_budget: Whole | None = Field(default=None, ge=-1, le=HUGE)


def check_fields(body: ChatBody, *, strict: bool) -> tuple[str, ...]:
    """The names nobody knows. Errors: ServerError invalid for a field that this server refuses, and
    when `strict` for an unknown one.
    """
    for index, modality in enumerate(body.modalities or ()):
        if modality != "text":
            raise unsupported(f"modalities[{index}]", OTHER_FIELDS.refused["audio"])
    return OTHER_FIELDS.check(body, strict=strict)
