"""A completion request -> core requests, one a choice, and the reply that words their answers.

Knows neither HTTP nor the model's vocabulary: prompts go on as they came, unless the operator has
them asked as a user's message.
"""

from collections.abc import Sequence
from dataclasses import replace

from server.core.messages import Conversation, RawPrompt, UserMessage
from server.core.request import GenerationRequest
from server.dialects.base import Call, Rules
from server.dialects.json_body import read
from server.dialects.openai_chat import Asked, choices, fingerprint, to_count
from server.dialects.openai_chat_numbers import (
    to_max_tokens,
    to_min_tokens,
    to_sampling,
    to_stop,
)
from server.dialects.openai_chat_output import to_output
from server.dialects.openai_completions_body import CompletionsBody, check_fields
from server.dialects.openai_completions_reply import CompletionsReply, CompletionStyle
from server.dialects.openai_effort import EFFORT_HEADER, known_effort
from server.dialects.openai_prompts import to_prompts
from server.dialects.refusals import invalid_value, unsupported

# Answers to all prompts of a request together.
MOST_CHOICES = 64


def read_body(raw: bytes) -> CompletionsBody:
    """Errors: ServerError invalid."""
    return read(raw, CompletionsBody)


def prompts_of(body: CompletionsBody) -> tuple[RawPrompt, ...]:
    """Errors: ServerError invalid."""
    return to_prompts(body.prompt, body.suffix or "")


def to_call(
    body: CompletionsBody,
    prompts: Sequence[RawPrompt],
    asked: Asked,
    rules: Rules,
    echoes: Sequence[str] = (),
) -> Call:
    """The whole call. `echoes` are the prompts as texts, where the client wants them back. Errors:
    ServerError invalid, `param` naming the field.
    """
    unknown = check_fields(body, strict=rules.strict_params)
    count = _count(body, len(prompts), rules)
    first = _request(body, prompts[0], asked, rules)
    requests = [
        replace(first, id=f"{asked.id}.{number}" if number else asked.id, prompt=each)
        for number, each in enumerate(_asked_as(prompts, rules))
    ]
    options = body.stream_options
    style = CompletionStyle(
        id=asked.id,
        created=asked.created,
        model=asked.model,
        fingerprint=fingerprint(asked.served_by),
        choices=count * len(prompts),
        per_prompt=count,
        include_usage=bool(options and options.include_usage),
        logprobs=first.logprobs is not None,
        timings=bool(body.timings or body.timings_per_token),
        echoes=tuple(echoes),
    )
    return Call(
        requests=tuple(choice for request in requests for choice in choices(request, count)),
        stream=bool(body.stream),
        reply=CompletionsReply(style),
        unknown=unknown,
    )


def _request(
    body: CompletionsBody, prompt: RawPrompt, asked: Asked, rules: Rules
) -> GenerationRequest:
    if body.max_tokens == 0:
        raise invalid_value("max_tokens", "this server writes at least one token; leave it out")
    max_tokens = to_max_tokens(body, rules)
    request = GenerationRequest(
        id=asked.id,
        prompt=prompt,
        owner=asked.owner,
        max_tokens=max_tokens,
        reasoning_budget=0,
        min_tokens=to_min_tokens(body, max_tokens),
        output=to_output(body),
        stop=to_stop(body, rules),
        sampling=to_sampling(body),
        logprobs=body.logprobs,
    )
    if not rules.completions_as_chat:
        return request
    effort = asked.effort_suffix or rules.effort_default
    budget = None
    if asked.effort_header is not None:
        effort, _, budget = known_effort(EFFORT_HEADER, asked.effort_header)
    return replace(request, effort=effort, reasoning_budget=budget)


def _count(body: CompletionsBody, prompts: int, rules: Rules) -> int:
    """How many answers each prompt gets."""
    count = to_count(body, rules)
    if body.best_of not in (None, 1, count):
        raise invalid_value("best_of", "it must be 1, or the same as 'n': all answers are given")
    if body.stream and (body.best_of or 1) > 1:
        raise invalid_value("best_of", "a stream cannot have it; leave it out")
    if prompts * count > MOST_CHOICES:
        raise invalid_value(
            "prompt",
            f"{prompts} prompts with {count} answers each are more than the {MOST_CHOICES} answers"
            " that one request may ask for",
        )
    return count


def _asked_as(prompts: Sequence[RawPrompt], rules: Rules) -> Sequence[RawPrompt | Conversation]:
    return [_conversation(each) for each in prompts] if rules.completions_as_chat else prompts


def _conversation(prompt: RawPrompt) -> Conversation:
    """A prompt as what a user says. Errors: ServerError invalid."""
    way_out = "prompts are asked as messages here (COMPLETIONS_AS_CHAT)"
    if not isinstance(prompt.content, str):
        raise invalid_value(prompt.path, f"{way_out}; send a text")
    if prompt.suffix:
        raise unsupported("suffix", f"{way_out}; leave it out")
    return Conversation(messages=(UserMessage(text=prompt.content),), path=prompt.path)
