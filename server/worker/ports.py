"""The seam between the scheduler and whatever computes: spans of tokens in, logits to draw from
out.

Knows neither llama.cpp nor requests: only slots, positions and token ids.
"""

from collections.abc import Callable
from collections.abc import Sequence as Row
from typing import NamedTuple, Protocol, TypeAlias

from server.worker.messages import Grammar, SamplerOptions

Data: TypeAlias = bytes | bytearray | memoryview
# numpy's array of bool [vocabulary]; nobody on this side looks inside.
Mask: TypeAlias = object


class GrammarError(ValueError):
    """The grammar cannot be followed; the text is one sentence that says why."""


class Matcher(Protocol):
    """A grammar and the text so far. Knows no stop ids: to it they are never part of a text. Errors
    of every method: GrammarError where it turns out to be too complex to be followed.
    """

    def allows(self, token: int) -> bool:
        """Whether this token may come next. Asked of every token that is drawn: cheap."""
        ...

    def mask(self) -> Mask:
        """All that may come next, True where it may. Asked only after a refusal."""
        ...

    def accept(self, token: int) -> None:
        """The token was kept."""

    @property
    def may_end(self) -> bool:
        """Whether the text may end here."""
        ...

    @property
    def must_end(self) -> bool:
        """Whether nothing may follow."""
        ...


# Errors: GrammarError.
Compile: TypeAlias = Callable[[Grammar], Matcher]


def no_grammars(_grammar: Grammar) -> Matcher:
    """The compiler of those who have none."""
    raise GrammarError("This engine knows no grammars; ask without one.")


# NamedTuples, for every stream makes one of each in every step.


class Span(NamedTuple):
    """Tokens to compute in `slot`, the first of them at position `start`.

    `samples`: a token is drawn after the last of them, with the logprobs of so many alternatives
    (None: without logprobs). The last `draft` of them are guessed: a token is drawn before each of
    these too.
    """

    slot: int
    start: int
    tokens: Row[int]
    samples: bool
    top_logprobs: int | None = None
    draft: int = 0


class Batch(NamedTuple):
    """The spans of one step, in order of slot, one a slot. `streams` of them continue an answer,
    by one token at least; `drafts` counts the guessed tokens, `prompt_tokens` all others beside
    those. No span goes with guessed ones that has more than a token that is not.
    """

    spans: Row[Span]
    streams: int
    prompt_tokens: int
    drafts: int = 0


class Sample(NamedTuple):
    """One drawn token; its logprob, and the likeliest as (token, logprob), only where asked."""

    token: int
    logprob: float | None = None
    top: Row[tuple[int, float]] = ()


class Bounds(NamedTuple):
    """What may be drawn: within the `matcher`, if there is one; those of `stops` only where it
    `may_stop`.
    """

    matcher: Matcher | None
    stops: frozenset[int]
    may_stop: bool

    def refuses(self, token: int) -> bool:
        if token in self.stops:
            return not self.may_stop
        return self.matcher is not None and not self.matcher.allows(token)


class NothingAllowed(Exception):
    """The bounds leave nothing that could be drawn."""


class Logits(Protocol):
    """What a batch came to: a row for each token that can be drawn, in order of the spans. Good
    until the runner computes again.
    """

    def draw(self, row: int, bounds: Bounds | None = None) -> Sample:
        """Draw from a row with the sampler of its slot, which remembers the outcome. Rows of a slot
        are drawn from in order, none twice. Errors: NothingAllowed.
        """
        ...


class DecodeFailed(Exception):
    """The batch was not computed; its slots hold an unknown part of it. The text says why."""


class DecodeInterrupted(DecodeFailed):
    """The batch was left because of `Runner.interrupt`."""


class Runner(Protocol):
    """Computes batches, of at most `batch_tokens` tokens with `draft_tokens` guessed ones. One
    thread calls it; `interrupt` may come from another.
    """

    batch_tokens: int
    draft_tokens: int
    compile: Compile

    def occupy(self, slot: int, sampler: SamplerOptions) -> None:
        """A new sequence moves into a free slot and draws its tokens with this sampler. What was
        computed in the slot before is still there until `rewind` or `trim`.
        """

    def run(self, batch: Batch) -> Logits:
        """The logits after each span that samples, and before each guessed token. Errors:
        DecodeFailed, DecodeInterrupted.
        """
        ...

    def rewind(self, slot: int) -> None:
        """Forget what was computed in the slot; its sampler stays as it is."""

    def snapshot_bytes(self, slot: int) -> int:
        """The size of a snapshot of the slot as it is now."""
        ...

    def snapshot(self, slot: int) -> Data:
        """Everything computed in the slot."""
        ...

    def restore(self, slot: int, data: Data) -> bool:
        """Put a snapshot of any slot into this empty one; what follows is as if it had been
        computed here. False when the data is none; the slot then holds an unknown part of it.
        """
        ...

    def trim(self, slot: int, length: int) -> bool:
        """Forget all but the first tokens, if what is kept is enough to go on from there. False:
        it is not, and the slot is unfit to go on.
        """
        ...

    def release(self, slot: int) -> None:
        """Forget the slot's sampler; what was computed stays. Harmless on a free slot."""

    def interrupt(self) -> None:
        """End the running `run`, if the hardware allows, with DecodeInterrupted; or the next."""

    def resume(self) -> None:
        """Take `interrupt` back."""
