"""Computes batches with llama.cpp: the Runner port over a real model. Knows slots, spans and
samplers, no requests.
"""

import ctypes
from math import isfinite

import llama_cpp.llama_cpp as llama
import numpy as np
from numpy.typing import NDArray

from server.worker.messages import SamplerOptions
from server.worker.ports import (
    Batch,
    Compile,
    Data,
    DecodeFailed,
    DecodeInterrupted,
    Span,
    no_grammars,
)
from server.worker.runtime import library
from server.worker.runtime.batch import BatchArrays, decodes
from server.worker.runtime.choice import with_choices
from server.worker.runtime.context import DRAFT_TOKENS, Context
from server.worker.runtime.logits import EMPTY_ROWS, Rows
from server.worker.runtime.model import Model
from server.worker.runtime.sampler import Candidates, Chain, is_plain_greedy

INTERRUPTED = 2
_FAILURES = {
    1: "there was no room for the batch in the KV cache",
    -1: "the batch was invalid",
    -2: "memory for the computation could not be allocated",
    -3: "the computation failed",
}


def failure(code: int) -> str:
    """What a code of `llama_decode` means."""
    return f"{_FAILURES.get(code, 'an unknown failure')} ({code})"


class LlamaRunner:
    """Slots of one context; see `ports.Runner`. Not thread-safe but for `interrupt`."""

    def __init__(
        self,
        context: Context,
        model: Model,
        context_length: int,
        compiled: Compile = no_grammars,
    ) -> None:
        self.batch_tokens = context.batch_tokens
        self.draft_tokens = DRAFT_TOKENS
        self.compile = with_choices(compiled, model.vocabulary_size)
        self._context = context
        self._vocab = model.vocab
        self._vocabulary_size = model.vocabulary_size
        self._context_length = context_length
        self._arrays = BatchArrays(context.batch_tokens)
        self._chains: dict[int, Chain] = {}
        self._candidates = Candidates(model.vocabulary_size)
        self._logits_address = library.logits_address()
        self._rows_address = 0
        self._rows: NDArray[np.float32] = np.empty((0, 0), np.float32)

    def occupy(self, slot: int, sampler: SamplerOptions) -> None:
        self.release(slot)
        if not is_plain_greedy(sampler):
            self._chains[slot] = Chain(sampler, self._candidates, self._vocab, self._context_length)

    def run(self, batch: Batch) -> Rows:
        parts = decodes(batch, self._context.unit_tokens)
        spans = _row_spans(batch)
        if batch.drafts and len(parts) > 1:
            rows = self._computed_apart(parts, spans)
        else:
            for part in parts:
                self._arrays.fill(part)
                self._decode()
            if not spans:
                return Rows(EMPTY_ROWS, [], [], {})
            rows = self._logits(len(spans))
        greedy: list[int] = rows.argmax(axis=1).tolist()
        _check_numbers(rows, greedy)
        return Rows(rows, greedy, spans, self._chains)

    def _computed_apart(self, parts: list[Batch], spans: list[Span]) -> NDArray[np.float32]:
        """The logits of several decodes; row i belongs to spans[i]."""
        rows = np.empty((len(spans), self._vocabulary_size), np.float32)
        slots = np.array([span.slot for span in spans])
        for part in parts:
            outputs = self._arrays.fill(part)
            self._decode()
            its_own = np.isin(slots, [span.slot for span in part.spans])
            rows[its_own] = self._logits(len(outputs))
        return rows

    def _decode(self) -> None:
        code = llama.llama_decode(self._context.pointer, self._arrays.batch)
        if code == INTERRUPTED:
            raise DecodeInterrupted("The computation was interrupted.")
        if code:
            raise DecodeFailed(f"llama.cpp could not compute the next token: {failure(code)}.")

    def rewind(self, slot: int) -> None:
        self._context.forget(slot)

    def snapshot_bytes(self, slot: int) -> int:
        return self._context.snapshot_bytes(slot)

    def snapshot(self, slot: int) -> bytearray:
        return self._context.snapshot(slot)

    def restore(self, slot: int, data: Data) -> bool:
        return self._context.restore(slot, data)

    def trim(self, slot: int, length: int) -> bool:
        return self._context.trim(slot, length)

    def release(self, slot: int) -> None:
        if chain := self._chains.pop(slot, None):
            chain.close()

    def interrupt(self) -> None:
        self._context.interruption.set()

    def resume(self) -> None:
        self._context.interruption.clear()

    def close(self) -> None:
        """Free every sampler; the context is its owner's."""
        for slot in list(self._chains):
            self.release(slot)

    def _logits(self, count: int) -> NDArray[np.float32]:
        """The logits of the batch's outputs in order, float32 [count, vocabulary]; a view of
        llama.cpp's memory, valid until the next decode.
        """
        address = self._logits_address(self._context.pointer)
        if address is None:
            raise DecodeFailed("llama.cpp returned no logits.")
        if address != self._rows_address or count > len(self._rows):
            shape = (count, self._vocabulary_size)
            floats = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
            self._rows = np.ctypeslib.as_array(floats, shape)
            self._rows_address = address
        return self._rows[:count]


def _row_spans(batch: Batch) -> list[Span]:
    """Whose each row of logits is."""
    return [span for span in batch.spans if span.samples for _ in range(1 + span.draft)]


def _check_numbers(rows: NDArray[np.float32], greedy: list[int]) -> None:
    # argmax finds a NaN first, and an infinity next.
    if not all(isfinite(rows[row, token]) for row, token in enumerate(greedy)):
        raise DecodeFailed("The model's output is not a number; its file may be damaged.")
