"""llama.cpp's context: the KV cache of all slots and the computation over it. Knows positions and
slots, nothing of sampling.
"""

import ctypes
from typing import Any

import llama_cpp.llama_cpp as llama
import numpy as np

from server.worker.ports import Data
from server.worker.runtime.library import Interruption, Log
from server.worker.runtime.model import Model, ModelError
from server.worker.runtime.placement import padded

BATCH_TOKENS = 512
# Of those at most so many guessed ones, each with a row of logits: some 25 MB.
DRAFT_TOKENS = 32
# What llama.cpp computes at once on the CPU: the largest whose attention scores stay below the
# bound. Larger ones are no faster there.
CPU_UNIT_TOKENS = (128, 64, 32)
LARGEST_SCORES = 512 << 20


def unit_tokens(on_cpu: bool, heads: int, context_length: int) -> int:
    """How many tokens of a batch llama.cpp computes at once."""
    if not on_cpu:
        return BATCH_TOKENS
    score_bytes = 4 * heads * padded(context_length)
    fitting = (unit for unit in CPU_UNIT_TOKENS if unit * score_bytes <= LARGEST_SCORES)
    return next(fitting, CPU_UNIT_TOKENS[-1])


class Context:
    """`slots` independent sequences of `context_length` tokens each. `batch_tokens` is the most one
    `llama_decode` gets, `unit_tokens` what it computes at once.
    """

    def __init__(
        self, model: Model, log: Log, *, slots: int, context_length: int, threads: int
    ) -> None:
        params = llama.llama_context_default_params()
        params.n_ctx = slots * padded(context_length)
        params.n_seq_max = slots
        params.n_batch = BATCH_TOKENS
        params.n_ubatch = unit_tokens(model.on_cpu, model.heads, context_length)
        # One output a sequence and guessed token; the default reserves a row of logits for every
        # token of a batch.
        params.n_outputs_max = slots + DRAFT_TOKENS
        params.n_threads = params.n_threads_batch = threads
        # On the CPU plain attention gives the same numbers, but for some last bits, however tokens
        # are batched, so an answer does not depend on who else is being answered, and it is no
        # slower; flash attention switches between kernels of different precision by the shape of
        # the batch.
        params.flash_attn_type = (
            llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
            if model.on_cpu
            else llama.LLAMA_FLASH_ATTN_TYPE_AUTO
        )
        # Streams of their own: no sequence attends over another's cells, and a sliding window
        # keeps its last tokens only.
        params.kv_unified = False
        params.swa_full = False
        log.reasons()
        self.pointer: Any = llama.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            reasons = "; ".join(log.reasons()) or "it gave no reason"
            raise ModelError(
                f"llama.cpp cannot make a context of {slots} x {context_length} tokens: {reasons}."
            )
        self.unit_tokens: int = llama.llama_n_ubatch(self.pointer)
        # More in a step would be computed no faster, and who comes in the middle waits for its end.
        self.batch_tokens = max(self.unit_tokens, slots)
        self.interruption = Interruption()
        self.interruption.install(self.pointer)
        self._memory = llama.llama_get_memory(self.pointer)
        self._window = model.sliding_window

    def forget(self, slot: int) -> None:
        """Remove everything the slot holds; always succeeds."""
        llama.llama_memory_seq_rm(self._memory, slot, -1, -1)

    def snapshot_bytes(self, slot: int) -> int:
        size: int = llama.llama_state_seq_get_size(self.pointer, slot)
        return size

    def snapshot(self, slot: int) -> bytearray:
        """Everything the slot holds, as llama.cpp writes it."""
        data = bytearray(self.snapshot_bytes(slot))
        buffer = (ctypes.c_uint8 * len(data)).from_buffer(data)
        written: int = llama.llama_state_seq_get_data(self.pointer, buffer, len(data), slot)
        if written != len(data):
            raise RuntimeError(f"a snapshot of {len(data)} bytes has {written}")
        return data

    def restore(self, slot: int, data: Data) -> bool:
        """Put a snapshot into an empty slot; False when it is none."""
        array = np.frombuffer(data, np.uint8)
        buffer = array.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        read: int = llama.llama_state_seq_set_data(self.pointer, buffer, len(array), slot)
        return read == len(array)

    def trim(self, slot: int, length: int) -> bool:
        """Remove all from position `length` on. llama.cpp would do so too when cells that the next
        token attends to are gone: a window of n tokens reaches back to n - 1 before the token, and
        `pos_min` is the first position whose cells are there in every layer.
        """
        reach = length - self._window + 1 if self._window else 0
        first: int = llama.llama_memory_seq_pos_min(self._memory, slot)
        if first > max(reach, 0):
            return False
        return bool(llama.llama_memory_seq_rm(self._memory, slot, length, -1))

    def close(self) -> None:
        llama.llama_free(self.pointer)
