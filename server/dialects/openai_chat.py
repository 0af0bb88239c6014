"""A chat completion request -> core requests, one a choice, and the reply that words their answers.

Knows neither HTTP nor the engine's defaults: a length and a sampling left out stay None.
"""

import hashlib
import re
from dataclasses import dataclass, replace

from server.core.messages import Conversation
from server.core.request import Effort, GenerationRequest, Sampling
from server.dialects.base import Call, Rules
from server.dialects.openai_chat_body import LONGEST_WINDOW, ChatBody, check_fields
from server.dialects.openai_chat_messages import to_messages
from server.dialects.openai_chat_reply import ChatReply, ReplyStyle
from server.dialects.openai_chat_tools import to_tools, uses_functions
from server.dialects.openai_effort import EFFORT_HEADER, known_effort
from server.dialects.openai_errors import invalid_value
from server.dialects.openai_json import read

_TOKEN_ID = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is known of a call besides its body: its id, the model's name as the client wrote it,
    the efforts asked for by header and by the name's suffix, and whose prompts it may share.
    `created` is Unix time in seconds.
    """

    id: str
    created: int
    model: str
    served_by: str
    effort_header: str | None = None
    effort_suffix: Effort | None = None
    owner: str = ""


def read_body(raw: bytes) -> ChatBody:
    """Errors: ServerError invalid."""
    return read(raw, ChatBody)


def to_call(body: ChatBody, asked: Asked, rules: Rules) -> Call:
    """The whole call. Errors: ServerError invalid, `param` naming the field."""
    unknown = check_fields(body, strict=rules.strict_params)
    effort, shown = _effort(body, asked, rules)
    first = _request(body, asked, rules, effort)
    count = body.n or 1
    if count > rules.n_limit:
        raise invalid_value("n", f"this server gives at most {rules.n_limit} choices")
    options = body.stream_options
    style = ReplyStyle(
        id=asked.id,
        created=asked.created,
        model=asked.model,
        fingerprint=_fingerprint(asked.served_by),
        choices=count,
        include_usage=bool(options and options.include_usage),
        reasoning_fields=_reasoning_fields(body, rules) if shown else (),
        functions=uses_functions(body),
        logprobs=first.logprobs is not None,
    )
    return Call(
        requests=_choices(first, count),
        stream=bool(body.stream),
        reply=ChatReply(style),
        unknown=unknown,
    )


def _request(body: ChatBody, asked: Asked, rules: Rules, effort: Effort) -> GenerationRequest:
    tools, choice = to_tools(body)
    return GenerationRequest(
        id=asked.id,
        owner=asked.owner,
        conversation=Conversation(
            messages=to_messages(body.messages), tools=tools, tool_choice=choice
        ),
        effort=effort,
        max_tokens=_max_tokens(body, rules),
        stop=_stop(body, rules),
        sampling=_sampling(body),
        logprobs=_logprobs(body),
    )


def _choices(first: GenerationRequest, count: int) -> tuple[GenerationRequest, ...]:
    """The same request `count` times, with consecutive seeds where one is given."""
    return (first, *(_variant(first, index) for index in range(1, count)))


def _variant(first: GenerationRequest, index: int) -> GenerationRequest:
    seed = first.sampling.seed
    if seed is not None:
        seed = (seed + index) % 2**32
    return replace(first, id=f"{first.id}-{index}", sampling=replace(first.sampling, seed=seed))


def _max_tokens(body: ChatBody, rules: Rules) -> int | None:
    """The newer field wins; -1, 0 and null mean that the client sets no limit."""
    newer = body.max_completion_tokens
    name = "max_tokens" if newer is None else "max_completion_tokens"
    asked = body.max_tokens if newer is None else newer
    if asked is None or asked <= 0:
        return None
    limit = rules.output_tokens_limit
    if limit is not None and asked > limit:
        raise invalid_value(name, f"this server gives at most {limit} tokens for one answer")
    return asked


def _stop(body: ChatBody, rules: Rules) -> tuple[str, ...]:
    stops = [body.stop] if isinstance(body.stop, str) else body.stop or []
    if len(stops) > rules.stop_limit:
        raise invalid_value("stop", f"at most {rules.stop_limit} stop strings are allowed")
    if "" in stops:
        raise invalid_value("stop", "a stop string must not be empty")
    return tuple(stops)


def _sampling(body: ChatBody) -> Sampling:
    # top_p 0 keeps nothing but the likeliest token: that is greedy, said otherwise.
    greedy = body.top_p == 0
    window = body.repeat_last_n
    penalty = body.repeat_penalty
    return Sampling(
        temperature=0.0 if greedy else body.temperature,
        top_p=None if greedy else body.top_p,
        top_k=None if body.top_k is None else max(body.top_k, 0),
        min_p=body.min_p,
        typical_p=body.typical_p,
        repeat_penalty=body.repetition_penalty if penalty is None else penalty,
        repeat_last_n=LONGEST_WINDOW if window == -1 else window,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        mirostat=body.mirostat,
        mirostat_tau=body.mirostat_tau,
        mirostat_eta=body.mirostat_eta,
        seed=_seed(body.seed),
        logit_bias=_logit_bias(body),
    )


def _seed(seed: int | None) -> int | None:
    """A seed has 32 bits inside; -1 asks for a random one, as elsewhere."""
    return None if seed is None or seed == -1 else seed % 2**32


def _logit_bias(body: ChatBody) -> dict[int, float]:
    biases: dict[int, float] = {}
    for key, value in (body.logit_bias or {}).items():
        if not _TOKEN_ID.fullmatch(key):
            raise invalid_value("logit_bias", f"{key[:40]!r} is not a token id")
        biases[int(key)] = value
    return biases


def _logprobs(body: ChatBody) -> int | None:
    if body.logprobs:
        return body.top_logprobs or 0
    if body.top_logprobs:
        raise invalid_value("top_logprobs", "it needs 'logprobs' to be true")
    return None


def _effort(body: ChatBody, asked: Asked, rules: Rules) -> tuple[Effort, bool]:
    """The effort, from the header, the body, the model's suffix or the operator, and whether to
    show the reasoning.
    """
    nested = body.reasoning.effort if body.reasoning else None
    for param, value in (
        (EFFORT_HEADER, asked.effort_header),
        ("reasoning_effort", body.reasoning_effort),
        ("reasoning.effort", nested),
    ):
        if value is not None:
            return known_effort(param, value)
    return asked.effort_suffix or rules.effort_default, True


def _reasoning_fields(body: ChatBody, rules: Rules) -> tuple[str, ...]:
    """The names under which the reasoning is given; none when the client wants none."""
    if body.include_reasoning is False or (body.reasoning and body.reasoning.exclude):
        return ()
    return ("reasoning", "reasoning_content") if rules.reasoning_alias else ("reasoning",)


def _fingerprint(served_by: str) -> str:
    return "fp_" + hashlib.sha256(served_by.encode()).hexdigest()[:10]
