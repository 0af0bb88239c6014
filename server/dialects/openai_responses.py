"""A Responses request -> a core request, and the reply that words its answer.

Knows neither HTTP nor the engine's defaults: a length and a sampling left out stay None. What
earlier responses said is given to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from server.core.messages import Conversation, Instructions
from server.core.request import Effort, GenerationRequest, JsonOutput, Output, Sampling
from server.dialects.base import Call, Rules
from server.dialects.json_body import read
from server.dialects.openai_chat import Asked
from server.dialects.openai_effort import EFFORT_HEADER, Meaning, known_effort
from server.dialects.openai_responses_body import (
    LOGPROBS,
    SEALED_REASONING,
    InputItem,
    ResponsesBody,
    TextFormat,
    check_fields,
)
from server.dialects.openai_responses_items import to_messages
from server.dialects.openai_responses_objects import ResponseStyle
from server.dialects.openai_responses_reply import ResponsesReply
from server.dialects.openai_responses_tools import to_choice, to_tools
from server.dialects.refusals import invalid_value, missing


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What earlier responses said, oldest first, and this request's own items, with everything that
    they refer to; whether this response is stored, and who takes it.
    """

    history: Sequence[InputItem] = ()
    items: Sequence[InputItem]
    stored: bool = False
    keep: Callable[[bytes], None]


def read_body(raw: bytes) -> ResponsesBody:
    """Errors: ServerError invalid."""
    return read(raw, ResponsesBody)


def to_call(body: ResponsesBody, asked: Asked, rules: Rules, memory: Memory) -> Call:
    """The whole call. Errors: ServerError invalid, `param` naming the field."""
    unknown = check_fields(body, strict=rules.strict_params)
    effort, shown, budget = _effort(body, asked, rules)
    request = GenerationRequest(
        id=asked.id,
        owner=asked.owner,
        prompt=_conversation(body, memory, vision=asked.vision),
        effort=effort,
        max_tokens=_max_tokens(body, rules),
        truncate=body.truncation == "auto",
        reasoning_budget=budget,
        output=_output(body.text.format if body.text else None),
        sampling=_sampling(body),
        logprobs=_logprobs(body),
    )
    _check_beginning(request)
    style = ResponseStyle(
        id=asked.id,
        created=asked.created,
        echo=_echo(body, asked, effort, stored=memory.stored),
        reasoning=shown,
        sealed=SEALED_REASONING in (body.include or ()),
        logprobs=request.logprobs is not None,
    )
    return Call(
        requests=(request,),
        stream=bool(body.stream),
        reply=ResponsesReply(style, memory.keep),
        unknown=unknown,
    )


def _conversation(body: ResponsesBody, memory: Memory, *, vision: bool) -> Conversation:
    """Instructions are those of this request alone: earlier ones are not kept."""
    if body.input is None and not memory.history:
        raise missing("input")
    messages = to_messages(memory.history, memory.items, vision=vision)
    if not messages:
        raise invalid_value("input", "send at least one item that says something")
    instructions = (Instructions(text=body.instructions),) if body.instructions else ()
    tools = to_tools(body)
    choice, names = to_choice(body, tools)
    return Conversation(
        messages=(*instructions, *messages),
        tools=tools,
        tool_choice=choice,
        callable_tools=names,
        path="input",
    )


def _check_beginning(request: GenerationRequest) -> None:
    """What a client has begun to answer is text already. Errors: ServerError invalid."""
    if request.conversation.begun is None:
        return
    way_out = "the last message begins the answer, leave one of the two out"
    if request.conversation.tool_choice == "required":
        raise invalid_value("tool_choice", way_out)
    if request.output is not None:
        raise invalid_value("text.format", way_out)


def _effort(body: ResponsesBody, asked: Asked, rules: Rules) -> Meaning:
    """The effort, from the header, the body, the model's suffix or the operator; whether to show
    the reasoning, and its budget.
    """
    nested = body.reasoning.effort if body.reasoning else None
    for param, value in ((EFFORT_HEADER, asked.effort_header), ("reasoning.effort", nested)):
        if value is not None:
            return known_effort(param, value)
    return asked.effort_suffix or rules.effort_default, True, None


def _max_tokens(body: ResponsesBody, rules: Rules) -> int | None:
    """-1, 0 and null mean that the client sets no limit."""
    asked = body.max_output_tokens
    if asked is None or asked <= 0:
        return None
    limit = rules.output_tokens_limit
    if limit is not None and asked > limit:
        raise invalid_value(
            "max_output_tokens", f"this server gives at most {limit} tokens for one answer"
        )
    return asked


def _output(wanted: TextFormat | None) -> Output | None:
    """The form of the visible answer. The one place where a client's schema enters."""
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return JsonOutput(path="text.format")
    if wanted.type != "json_schema":
        raise invalid_value("text.format.type", "it must be 'text', 'json_object' or 'json_schema'")
    if wanted.schema_ is None:
        raise missing("text.format.schema")
    return JsonOutput(
        schema=wanted.schema_,
        name=wanted.name or "",
        description=wanted.description,
        path="text.format.schema",
    )


def _sampling(body: ResponsesBody) -> Sampling:
    # top_p 0 keeps nothing but the likeliest token: that is greedy, said otherwise.
    greedy = body.top_p == 0
    seed = body.seed
    return Sampling(
        temperature=0.0 if greedy else body.temperature,
        top_p=None if greedy else body.top_p,
        top_k=None if body.top_k is None else max(body.top_k, 0),
        min_p=body.min_p,
        seed=None if seed is None or seed == -1 else seed % 2**32,
    )


def _logprobs(body: ResponsesBody) -> int | None:
    if body.top_logprobs or LOGPROBS in (body.include or ()):
        return body.top_logprobs or 0
    return None


def _echo(body: ResponsesBody, asked: Asked, effort: Effort, *, stored: bool) -> dict[str, Any]:
    """The fields of a response that repeat its request."""
    given = body.model_dump(mode="json", by_alias=True, exclude_none=True)
    reasoning = given.get("reasoning") or {}
    return {
        "background": False,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "metadata": body.metadata or {},
        "model": asked.model,
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": body.previous_response_id,
        "reasoning": {"effort": effort, "summary": None} | reasoning,
        "service_tier": "default",
        "store": stored,
        "temperature": body.temperature,
        "text": {"format": {"type": "text"}} | (given.get("text") or {}),
        "tool_choice": body.tool_choice or "auto",
        "tools": [{"strict": False} | tool for tool in given.get("tools") or ()],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": body.top_p,
        "truncation": body.truncation or "disabled",
        "user": body.user,
    }
