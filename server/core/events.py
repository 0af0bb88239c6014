"""What comes back from an engine, in order: Started (PartStarted PartDelta* PartEnded)* Finished.

One part is open at a time. A failure is an exception (`core.errors`), never an event. `collect`
folds a stream into one `Answer`: the only difference between a streamed and a plain reply.
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from server.core.messages import ToolCall

# A preamble is what the model says to the user before it calls a tool; other text is the answer.
PartKind: TypeAlias = Literal["reasoning", "preamble", "text", "tool_call"]
FinishReason: TypeAlias = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one answer. `completion_tokens` includes `reasoning_tokens`, control tokens and the
    stop token.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds spent waiting for a slot, computing the prompt, and generating."""

    queue_s: float = 0.0
    prompt_s: float = 0.0
    generation_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """One visible token's natural log probability, with the likeliest alternatives as (bytes,
    logprob).
    """

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The request was admitted; its prompt (this many tokens, 0 where the engine does not know) is
    computed next.
    """

    prompt_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartStarted:
    """A part begins. `index` counts parts from 0; `call_id` and `name` are set for a tool call
    only.
    """

    index: int
    kind: PartKind
    call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDelta:
    """More text of the open part (for a tool call: of its arguments); never empty, never half a
    character.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartEnded:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The last event. `warning` says what malformed model output was mended, if any was;
    `stop_string` is the one that ended the answer, if one did.
    """

    reason: FinishReason
    usage: Usage
    timings: Timings = Timings()
    warning: str | None = None
    stop_string: str | None = None


Event: TypeAlias = Started | PartStarted | PartDelta | PartEnded | Finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One whole part: what its `PartStarted` said, and the text and log probabilities of its
    deltas.
    """

    kind: PartKind
    text: str
    call_id: str = ""
    name: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer. `text` is None when the model wrote none (it called a tool, or was cut while
    thinking). `parts` are the same words in the order in which they were written.
    """

    text: str | None
    preamble: str | None = None
    reasoning: str | None
    tool_calls: tuple[ToolCall, ...]
    logprobs: tuple[TokenLogprob, ...]
    finished: Finished
    parts: tuple[Part, ...] = ()


async def collect(events: AsyncIterator[Event]) -> Answer:
    """Fold a whole stream into one answer. Errors: whatever the stream raises."""
    heads: list[PartStarted] = []
    deltas: list[list[PartDelta]] = []
    finished: Finished | None = None
    async for event in events:
        if isinstance(event, PartStarted):
            heads.append(event)
            deltas.append([])
        elif isinstance(event, PartDelta):
            deltas[-1].append(event)
        elif isinstance(event, Finished):
            finished = event
    if finished is None:
        raise RuntimeError("an engine's stream ended without Finished")
    parts = tuple(map(whole_part, heads, deltas))
    return Answer(
        text=_joined(parts, "text"),
        preamble=_joined(parts, "preamble"),
        reasoning=_joined(parts, "reasoning"),
        tool_calls=tuple(
            ToolCall(id=part.call_id, name=part.name, arguments=part.text)
            for part in parts
            if part.kind == "tool_call"
        ),
        logprobs=tuple(
            logprob for part in parts if part.kind == "text" for logprob in part.logprobs
        ),
        finished=finished,
        parts=parts,
    )


def whole_part(head: PartStarted, deltas: Iterable[PartDelta]) -> Part:
    deltas = tuple(deltas)
    return Part(
        kind=head.kind,
        text="".join(delta.text for delta in deltas),
        call_id=head.call_id,
        name=head.name,
        logprobs=tuple(logprob for delta in deltas for logprob in delta.logprobs),
    )


def _joined(parts: Iterable[Part], kind: PartKind) -> str | None:
    texts = [part.text for part in parts if part.kind == kind]
    return "".join(texts) if texts else None
