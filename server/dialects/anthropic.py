"""A Messages request -> a core request, and the reply that words its answer in Anthropic's terms.

Knows neither HTTP nor the engine's defaults: a sampling left out stays None.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from server.core.messages import Conversation
from server.core.request import Effort, GenerationRequest, JsonOutput, Sampling
from server.dialects.anthropic_body import CountBody, MessagesBody, ThinkingOptions, check_fields
from server.dialects.anthropic_messages import to_messages
from server.dialects.anthropic_reply import PING, MessageReply, MessageStyle
from server.dialects.anthropic_tools import to_choice, to_tools
from server.dialects.base import Call, Rules
from server.dialects.json_body import read
from server.dialects.refusals import invalid_value, missing

_EFFORTS: Mapping[str, Effort] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
_THINKING = ("enabled", "disabled", "adaptive", "between_tools")
# Budgets, in tokens, up to which a short and a middling time of thinking is enough.
_LOW_BUDGET = 2048
_MEDIUM_BUDGET = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is known of a call besides its body: the ids of its answer and of its request, the
    model's name as the client wrote it, the effort that the name's suffix asked for, and whose
    prompts it may share. `vision`: the model reads pictures.
    """

    id: str
    request_id: str
    model: str
    effort_suffix: Effort | None = None
    owner: str = ""
    vision: bool = False


def read_body(raw: bytes) -> MessagesBody:
    """Errors: ServerError invalid."""
    return read(raw, MessagesBody)


def read_count_body(raw: bytes) -> CountBody:
    """Errors: ServerError invalid."""
    return read(raw, CountBody)


def to_call(body: MessagesBody, asked: Asked, rules: Rules) -> Call:
    """The whole call. Errors: ServerError invalid, `param` naming the field."""
    unknown = check_fields(body, strict=rules.strict_params)
    limit = rules.output_tokens_limit
    greedy = body.top_p == 0
    request = GenerationRequest(
        id=asked.id,
        owner=asked.owner,
        prompt=_conversation(body, asked),
        effort=_effort(body, asked, rules),
        # Clients ask for as much as the largest models give: what there is room for is enough.
        max_tokens=body.max_tokens if limit is None else min(body.max_tokens, limit),
        fit=True,
        reasoning_budget=_budget(body.thinking),
        output=_output(body),
        stop=_stop(body, rules),
        sampling=Sampling(
            temperature=0.0 if greedy else body.temperature,
            top_p=None if greedy else body.top_p,
            top_k=body.top_k,
        ),
    )
    style = MessageStyle(
        id=asked.id,
        request_id=asked.request_id,
        model=asked.model,
        thinking=_shows_thinking(body.thinking),
    )
    return Call(
        requests=(request,),
        stream=bool(body.stream),
        reply=MessageReply(style),
        unknown=unknown,
        ping=PING,
    )


def to_count(body: CountBody, asked: Asked, rules: Rules) -> GenerationRequest:
    """A request whose prompt is to be counted. Errors: ServerError invalid."""
    return GenerationRequest(
        id=asked.id, prompt=_conversation(body, asked), effort=_effort(body, asked, rules)
    )


def _conversation(body: CountBody, asked: Asked) -> Conversation:
    tools = to_tools(body)
    choice, callable_tools = to_choice(body, tools)
    return Conversation(
        messages=to_messages(body, vision=asked.vision),
        tools=tools,
        tool_choice=choice,
        callable_tools=callable_tools,
    )


def _effort(body: CountBody, asked: Asked, rules: Rules) -> Effort:
    """What the client says of effort, else what its thinking budget or the model's suffix does."""
    named = body.output_config.effort if body.output_config else None
    if named is not None:
        if named not in _EFFORTS:
            raise invalid_value("output_config.effort", f"it must be one of {', '.join(_EFFORTS)}")
        return _EFFORTS[named]
    budget = _budget(body.thinking)
    if budget is not None:
        return "low" if budget <= _LOW_BUDGET else "medium" if budget <= _MEDIUM_BUDGET else "high"
    return asked.effort_suffix or rules.effort_default


def _budget(thinking: ThinkingOptions | None) -> int | None:
    """Tokens; 0 for a client that wants no thinking, None for one that does not say."""
    if thinking is not None and thinking.type == "disabled":
        return 0
    if thinking is None or thinking.type != "enabled":
        return None
    if thinking.budget_tokens is None:
        raise missing("thinking.budget_tokens")
    return thinking.budget_tokens


def _shows_thinking(thinking: ThinkingOptions | None) -> bool:
    """A client that does not speak of thinking expects the answer alone."""
    if thinking is None:
        return False
    if thinking.type not in _THINKING:
        raise invalid_value("thinking.type", f"it must be one of {', '.join(_THINKING)}")
    return thinking.type != "disabled" and thinking.display != "omitted"


def _output(body: CountBody) -> JsonOutput | None:
    nested = body.output_config.format if body.output_config else None
    wanted = nested or body.output_format
    if wanted is None:
        return None
    param = "output_config.format" if nested else "output_format"
    if wanted.type != "json_schema":
        raise invalid_value(f"{param}.type", "it must be 'json_schema'")
    if wanted.schema_ is None:
        raise missing(f"{param}.schema")
    return JsonOutput(schema=wanted.schema_, path=f"{param}.schema")


def _stop(body: MessagesBody, rules: Rules) -> tuple[str, ...]:
    stops = body.stop_sequences or []
    if len(stops) > rules.stop_limit:
        raise invalid_value("stop_sequences", f"at most {rules.stop_limit} are allowed")
    if "" in stops:
        raise invalid_value("stop_sequences", "a stop sequence must not be empty")
    return tuple(stops)
