"""The seam between the scheduler and whatever computes: spans of tokens in, samples out.

Knows neither llama.cpp nor requests: only slots, positions and token ids.
"""

from collections.abc import Sequence as Row
from typing import NamedTuple, Protocol, TypeAlias

from server.worker.messages import SamplerOptions

Data: TypeAlias = bytes | bytearray | memoryview

# NamedTuples, for every stream makes one of each in every step.


class Span(NamedTuple):
    """Tokens to compute in `slot`, the first of them at position `start`.

    `samples`: a token is drawn after the last of them, with the logprobs of so many alternatives
    (None: without logprobs).
    """

    slot: int
    start: int
    tokens: Row[int]
    samples: bool
    top_logprobs: int | None = None


class Batch(NamedTuple):
    """The spans of one step, in order of slot, one a slot. `streams` of them continue an answer,
    one token each; the others hold `prompt_tokens` tokens in all.
    """

    spans: Row[Span]
    streams: int
    prompt_tokens: int


class Sample(NamedTuple):
    """One drawn token; its logprob, and the likeliest as (token, logprob), only where asked."""

    token: int
    logprob: float | None = None
    top: Row[tuple[int, float]] = ()


class DecodeFailed(Exception):
    """The batch was not computed; its slots hold an unknown part of it. The text says why."""


class DecodeInterrupted(DecodeFailed):
    """The batch was left because of `Runner.interrupt`."""


class Runner(Protocol):
    """Computes batches. One thread calls it; `interrupt` may come from another."""

    batch_tokens: int

    def occupy(self, slot: int, sampler: SamplerOptions) -> None:
        """A new sequence moves into an empty slot and draws its tokens with this sampler."""

    def run(self, batch: Batch) -> list[Sample]:
        """One sample for each span that samples, in their order. Errors: DecodeFailed,
        DecodeInterrupted; no sampler has drawn anything then.
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
        """Forget everything in the slot, its sampler too. Harmless on an empty slot."""

    def interrupt(self) -> None:
        """End the running `run`, if the hardware allows, with DecodeInterrupted; or the next."""

    def resume(self) -> None:
        """Take `interrupt` back."""
