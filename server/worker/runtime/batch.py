"""The C arrays of a `llama_batch`, filled through numpy: what llama.cpp computes next."""

import ctypes
from collections.abc import Sequence as Row
from typing import Any

import llama_cpp.llama_cpp as llama
import numpy as np
from numpy.typing import NDArray

from server.worker.ports import Batch, Span

# Slots are sequence ids; llama.cpp allows no more of them.
MAX_SLOTS = 256


class BatchArrays:
    """Room for `capacity` tokens. `batch` is the struct for `llama_decode`."""

    def __init__(self, capacity: int) -> None:
        self._tokens = np.zeros(capacity, np.int32)
        self._positions = np.zeros(capacity, np.int32)
        self._sequence_counts = np.ones(capacity, np.int32)
        self._slots = np.arange(MAX_SLOTS, dtype=np.int32)
        # llama.cpp wants a pointer to each token's sequence ids: it points into `_slots`.
        self._slot_addresses = self._slots.ctypes.data + 4 * np.arange(MAX_SLOTS, dtype=np.uintp)
        self._sequences = np.zeros(capacity, np.uintp)
        self._outputs = np.zeros(capacity, np.int8)
        self.batch = llama.llama_batch(
            n_tokens=0,
            token=_pointer(self._tokens, ctypes.c_int32),
            embd=None,
            pos=_pointer(self._positions, ctypes.c_int32),
            n_seq_id=_pointer(self._sequence_counts, ctypes.c_int32),
            seq_id=_pointer(self._sequences, ctypes.POINTER(ctypes.c_int32)),
            logits=_pointer(self._outputs, ctypes.c_int8),
        )

    def fill(self, batch: Batch) -> list[int]:
        """Write the spans; the indices in the batch of the tokens that have logits, in order."""
        if batch.prompt_tokens == batch.drafts == 0:
            return self._fill_streams(batch)
        outputs: list[int] = []
        end = 0
        for span in batch.spans:
            begin, end = end, end + len(span.tokens)
            self._tokens[begin:end] = span.tokens
            self._positions[begin:end] = np.arange(span.start, span.start + end - begin)
            self._sequences[begin:end] = self._slot_addresses[span.slot]
            self._outputs[begin:end] = 0
            if span.samples:
                first = end - 1 - span.draft
                self._outputs[first:end] = 1
                outputs.extend(range(first, end))
        self.batch.n_tokens = end
        return outputs

    def fill_whole(self, sequences: Row[Row[int]]) -> None:
        """Write whole sequences, one a slot, for llama.cpp to pool."""
        end = 0
        for slot, tokens in enumerate(sequences):
            begin, end = end, end + len(tokens)
            self._tokens[begin:end] = tokens
            self._positions[begin:end] = np.arange(len(tokens))
            self._sequences[begin:end] = self._slot_addresses[slot]
        # What is pooled wants every token's output.
        self._outputs[:end] = 1
        self.batch.n_tokens = end

    def _fill_streams(self, batch: Batch) -> list[int]:
        # One token each and all of them sample: the step that happens most.
        spans = batch.spans
        count = len(spans)
        self._tokens[:count] = [span.tokens[0] for span in spans]
        self._positions[:count] = [span.start for span in spans]
        self._sequences[:count] = self._slot_addresses[[span.slot for span in spans]]
        self._outputs[:count] = 1
        self.batch.n_tokens = count
        return list(range(count))


def decodes(batch: Batch, unit_tokens: int) -> list[Batch]:
    """The same work as batches for one `llama_decode` each; the last has every span that samples,
    unless there are guessed tokens.

    A slot is in no decode with more tokens than are computed at once, nor beside longer spans:
    llama.cpp would compute its tokens in several units, and what it sees of a sliding window is
    then wrong after a snapshot was restored (planning the later units removes cells that the
    earlier ones attend to).
    """
    if batch.drafts:
        return _by_length(batch.spans, unit_tokens)
    if batch.prompt_tokens == 0:
        return [batch]
    parts: list[Batch] = []
    last: list[Span] = []
    is_lone = len(batch.spans) == 1
    for span in batch.spans:
        count = len(span.tokens)
        # The tokens left to the last decode: one each, or a lone span's whole last unit.
        rest = 0 if not span.samples else (count - 1) % unit_tokens + 1 if is_lone else 1
        for begin in range(0, count - rest, unit_tokens):
            tokens = span.tokens[begin : min(begin + unit_tokens, count - rest)]
            piece = Span(span.slot, span.start + begin, tokens, False)
            parts.append(Batch([piece], 0, len(tokens)))
        if rest:
            start = span.start + count - rest
            last.append(span._replace(start=start, tokens=span.tokens[count - rest :]))
    if last:
        parts.append(Batch(last, batch.streams, sum(len(each.tokens) for each in last)))
    return parts


def _by_length(spans: Row[Span], unit_tokens: int) -> list[Batch]:
    """Spans of the same length together, as many as are computed at once."""
    parts = []
    for length in sorted({len(span.tokens) for span in spans}):
        alike = [span for span in spans if len(span.tokens) == length]
        # Those of one token are computed at once each, however many there are.
        count = len(alike) if length == 1 else max(unit_tokens // length, 1)
        for begin in range(0, len(alike), count):
            part = alike[begin : begin + count]
            parts.append(Batch(part, len(part), 0, sum(span.draft for span in part)))
    return parts


def _pointer(array: NDArray[Any], kind: type) -> object:
    return array.ctypes.data_as(ctypes.POINTER(kind))
