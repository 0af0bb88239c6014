"""How many tokens an answer may take: to think, to speak, and in all. Knows counts alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.core.errors import ServerError
from server.core.messages import Conversation
from server.core.request import Effort, GenerationRequest, Sampling

# What a model of each effort may think when nobody says how much.
REASONING_TOKENS: Mapping[Effort, int] = {"low": 512, "medium": 2048, "high": 8192}
# Room that is kept for the headers of messages, and what they may take at most.
HEADER_ROOM = 32
HEADERS = 128
# Fewer are of no use: the model then answers at once.
LEAST_REASONING = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationLimits:
    """What a request may use and what it gets when it does not say.

    `sampling` has every value set. Tokens are the model's; `max_tokens` are visible ones,
    `reasoning_budget` the others (None: as many as suits the effort); seconds are wall clock from
    submission. With `shared_prefixes` what was computed of one owner's prompt also serves the
    others; `speculate`: what copies earlier text may be guessed and verified.
    """

    sampling: Sampling
    max_tokens: int
    reasoning_budget: int | None = None
    max_input_tokens: int | None = None
    timeout_s: float | None = None
    shared_prefixes: bool = False
    speculate: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """`total` bounds everything that is generated, and the context holds it."""

    visible: int
    reasoning: int
    total: int


def allowance(
    prompt: int, context: int, request: GenerationRequest, limits: GenerationLimits
) -> Allowance:
    """What is allowed after a prompt of so many tokens. The reasoning leaves to the visible tokens
    what they were promised, or half of the room. Errors: ServerError context_too_long.
    """
    room = context - prompt
    _check_fit(prompt, context, request, limits)
    visible = min(request.max_tokens or limits.max_tokens, room)
    reasoning = request.reasoning_budget
    if reasoning is None:
        reasoning = limits.reasoning_budget
    if reasoning is None:
        reasoning = REASONING_TOKENS[request.effort or "medium"]
    reasoning = min(reasoning, max(room - visible, room // 2) - HEADER_ROOM)
    return settled(visible, reasoning, room)


def longest_prompt(context: int, request: GenerationRequest, limits: GenerationLimits) -> int:
    """Tokens that a prompt may have that can be shortened: it leaves room for the answer that it
    gets, or for a fair one.
    """
    wanted = min(request.max_tokens or limits.max_tokens, context // 4)
    longest = context - max(_asked(request), wanted)
    return longest if limits.max_input_tokens is None else min(longest, limits.max_input_tokens)


def settled(visible: int, reasoning: int, room: int) -> Allowance:
    """An allowance of these counts that fits the room."""
    if reasoning < LEAST_REASONING:
        reasoning = 0
    total = min(room, visible + reasoning + HEADERS)
    return Allowance(visible=visible, reasoning=reasoning, total=total)


def _check_fit(
    prompt: int, context: int, request: GenerationRequest, limits: GenerationLimits
) -> None:
    most, asked = limits.max_input_tokens, _asked(request)
    if most is not None and prompt > most:
        way_out = f"this server takes at most {most} (MAX_INPUT_TOKENS); shorten {_what(request)}"
        raise _too_long(f": it has {prompt} tokens, and {way_out}.", request)
    limit = f"and this model's maximum context length is {context}"
    if prompt >= context:
        raise _too_long(f": it has {prompt} tokens, {limit}; shorten {_what(request)}.", request)
    if prompt + asked > context:
        counts = f"it has {prompt} tokens and the answer may take {asked} more, {limit}"
        way_out = f"lower max_tokens or shorten {_what(request)}"
        raise _too_long(f" for so long an answer: {counts}; {way_out}.", request)


def _asked(request: GenerationRequest) -> int:
    """Tokens for which there has to be room."""
    return 1 if request.fit else request.max_tokens or 1


def _what(request: GenerationRequest) -> str:
    return "the messages" if isinstance(request.prompt, Conversation) else "the prompt"


def _too_long(reason: str, request: GenerationRequest) -> ServerError:
    """In words by which clients (LangChain, LiteLLM, Anthropic's) know what is the matter."""
    return ServerError(
        "context_too_long", f"The prompt is too long{reason}", param=request.prompt.path
    )
