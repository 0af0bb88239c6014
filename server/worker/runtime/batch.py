"""The C arrays of a `llama_batch`, filled through numpy: what llama.cpp computes next."""

import ctypes
from typing import Any

import llama_cpp.llama_cpp as llama
import numpy as np
from numpy.typing import NDArray

from server.worker.ports import Batch

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
        if batch.prompt_tokens == 0:
            return self._fill_streams(batch)
        outputs = []
        end = 0
        for span in batch.spans:
            begin, end = end, end + len(span.tokens)
            self._tokens[begin:end] = span.tokens
            self._positions[begin:end] = np.arange(span.start, span.start + end - begin)
            self._sequences[begin:end] = self._slot_addresses[span.slot]
            self._outputs[begin:end] = 0
            if span.samples:
                self._outputs[end - 1] = 1
                outputs.append(end - 1)
        self.batch.n_tokens = end
        return outputs

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


def _pointer(array: NDArray[Any], kind: type) -> object:
    return array.ctypes.data_as(ctypes.POINTER(kind))
