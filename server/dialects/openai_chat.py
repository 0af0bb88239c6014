"""A chat completion request -> core requests, one a choice, and the reply that words their answers.

Knows neither HTTP nor the engine's defaults: a length and a sampling left out stay None.
"""

import hashlib
from dataclasses import dataclass, replace

from server.core.messages import Conversation
from server.core.request import Effort, GenerationRequest, JsonOutput
from server.dialects.base import Call, Rules
from server.dialects.json_body import read
from server.dialects.openai_chat_body import AnswerBody, ChatBody, check_fields
from server.dialects.openai_chat_messages import to_messages
from server.dialects.openai_chat_numbers import (
    to_logprobs,
    to_max_tokens,
    to_min_tokens,
    to_sampling,
    to_stop,
)
from server.dialects.openai_chat_output import to_output
from server.dialects.openai_chat_reply import ChatReply, ReplyStyle
from server.dialects.openai_chat_thinking import Thinking, to_thinking
from server.dialects.openai_chat_tools import to_choice, to_tools, uses_functions
from server.dialects.refusals import invalid_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is known of a call besides its body: its id, the model's name as the client wrote it,
    the efforts asked for by header and by the name's suffix, and whose prompts it may share.
    `created` is Unix time in seconds; `vision`: the model reads pictures.
    """

    id: str
    created: int
    model: str
    served_by: str
    effort_header: str | None = None
    effort_suffix: Effort | None = None
    owner: str = ""
    vision: bool = False


def read_body(raw: bytes) -> ChatBody:
    """Errors: ServerError invalid."""
    return read(raw, ChatBody)


def to_call(body: ChatBody, asked: Asked, rules: Rules) -> Call:
    """The whole call. Errors: ServerError invalid, `param` naming the field."""
    unknown = check_fields(body, strict=rules.strict_params)
    thinking = to_thinking(body, rules, header=asked.effort_header, suffix=asked.effort_suffix)
    first = _request(body, asked, rules, thinking)
    _check_beginning(first)
    count = to_count(body, rules)
    options = body.stream_options
    style = ReplyStyle(
        id=asked.id,
        created=asked.created,
        model=asked.model,
        fingerprint=fingerprint(asked.served_by),
        choices=count,
        include_usage=bool(options and options.include_usage),
        reasoning_fields=thinking.fields,
        functions=uses_functions(body),
        logprobs=first.logprobs is not None,
        timings=bool(body.timings or body.timings_per_token),
    )
    return Call(
        requests=choices(first, count),
        stream=bool(body.stream),
        reply=ChatReply(style),
        unknown=unknown,
    )


def _request(body: ChatBody, asked: Asked, rules: Rules, thinking: Thinking) -> GenerationRequest:
    tools = to_tools(body)
    choice, names = to_choice(body, tools)
    max_tokens = to_max_tokens(body, rules)
    return GenerationRequest(
        id=asked.id,
        owner=asked.owner,
        prompt=Conversation(
            messages=to_messages(body.messages, vision=asked.vision),
            tools=tools,
            tool_choice=choice,
            callable_tools=names,
        ),
        effort=thinking.effort,
        max_tokens=max_tokens,
        reasoning_budget=thinking.budget,
        min_tokens=to_min_tokens(body, max_tokens),
        output=to_output(body),
        stop=to_stop(body, rules),
        sampling=to_sampling(body),
        logprobs=to_logprobs(body),
    )


def _check_beginning(request: GenerationRequest) -> None:
    """What a client has begun to answer is text already. Errors: ServerError invalid."""
    if request.conversation.begun is None:
        return
    way_out = "the last message begins the answer, leave one of the two out"
    if request.conversation.tool_choice == "required":
        raise invalid_value("tool_choice", way_out)
    if request.output is not None:
        is_json = isinstance(request.output, JsonOutput)
        raise invalid_value("response_format" if is_json else "grammar", way_out)


def to_count(body: AnswerBody, rules: Rules) -> int:
    """How many answers there are to be. Errors: ServerError invalid."""
    count = body.n or 1
    if count > rules.n_limit:
        raise invalid_value("n", f"this server gives at most {rules.n_limit} choices")
    return count


def choices(first: GenerationRequest, count: int) -> tuple[GenerationRequest, ...]:
    """The same request `count` times, with consecutive seeds where one is given."""
    return (first, *(_variant(first, index) for index in range(1, count)))


def _variant(first: GenerationRequest, index: int) -> GenerationRequest:
    seed = first.sampling.seed
    if seed is not None:
        seed = (seed + index) % 2**32
    return replace(first, id=f"{first.id}-{index}", sampling=replace(first.sampling, seed=seed))


def fingerprint(served_by: str) -> str:
    return "fp_" + hashlib.sha256(served_by.encode()).hexdigest()[:10]
