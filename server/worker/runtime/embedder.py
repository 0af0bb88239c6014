"""Computes embeddings with llama.cpp: texts to tokens, packed batches to pooled vectors. Knows
passages, no requests.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp.llama_cpp as llama
import numpy as np

from server.worker.embedding.ports import Passage
from server.worker.ports import DecodeFailed, DecodeInterrupted
from server.worker.runtime.batch import BatchArrays
from server.worker.runtime.library import Interruption, Log
from server.worker.runtime.model import Model, ModelError
from server.worker.runtime.runner import INTERRUPTED, failure

# Passages that are computed together, and their tokens: more are computed no faster, and llama.cpp
# keeps room for a row of the vocabulary for each. What is longer is a batch by itself.
BATCH_PASSAGES = 64
CPU_BATCH_TOKENS = 128
GPU_BATCH_TOKENS = 512
POOLINGS = {
    llama.LLAMA_POOLING_TYPE_MEAN: "mean",
    llama.LLAMA_POOLING_TYPE_CLS: "cls",
    llama.LLAMA_POOLING_TYPE_LAST: "last",
}


def find_pooling(model: Model, path: str) -> tuple[int, list[str]]:
    """How llama.cpp is to pool, with a note where the file does not say. Errors: ModelError when it
    is no file for embeddings.
    """
    declared = model.number("pooling_type")
    if declared in POOLINGS:
        return declared, []
    if declared == llama.LLAMA_POOLING_TYPE_RANK:
        raise ModelError(
            f"The model file {path} ranks texts and makes no embeddings; name a file with an"
            " embedding model."
        )
    if model.text(f"{model.architecture}.attention.causal") == "false":
        note = "The file does not say how to pool: a vector is the mean of its tokens' vectors."
        return llama.LLAMA_POOLING_TYPE_MEAN, [note]
    raise ModelError(
        f"The model file {path} is not meant for embeddings: it has no"
        f" {model.architecture}.pooling_type; name a file with an embedding model, such as"
        " nomic-embed-text or Qwen3-Embedding."
    )


class LlamaEmbedder:
    """A context that pools; see `embedding.ports.EmbeddingRunner`. `embed` takes at most
    `BATCH_PASSAGES`, and best `batch_tokens` in all; the longest passage is `context_length`.
    """

    def __init__(
        self, model: Model, log: Log, *, pooling: int, context_length: int, threads: int
    ) -> None:
        self.batch_tokens = CPU_BATCH_TOKENS if model.on_cpu else GPU_BATCH_TOKENS
        capacity = max(context_length, self.batch_tokens)
        self.width: int = llama.llama_model_n_embd_out(model.pointer)
        self._vocab = model.vocab
        self._encodes = llama.llama_model_has_encoder(model.pointer)
        self._pointer = _context(model, log, pooling, capacity, threads)
        self._memory = llama.llama_get_memory(self._pointer)
        self._arrays = BatchArrays(capacity)
        self._interruption = Interruption()
        self._interruption.install(self._pointer)

    def tokenize(self, text: str) -> list[int]:
        data = text.encode()
        # The marks of beginning and end come on top.
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = llama.llama_tokenize(self._vocab, data, len(data), ids, room, True, False)
        if count < 0:
            ids = (ctypes.c_int32 * -count)()
            count = llama.llama_tokenize(self._vocab, data, len(data), ids, -count, True, False)
        return list(ids[:count])

    def cut(self, tokens: list[int], length: int) -> list[int]:
        last = tokens[-1]
        # Text alone never becomes a control token: this one marks the end.
        if llama.llama_vocab_is_control(self._vocab, last):
            return [*tokens[: length - 1], last]
        return tokens[:length]

    def embed(self, passages: Sequence[Passage]) -> list[bytes]:
        if self._memory:
            llama.llama_memory_clear(self._memory, False)
        self._arrays.fill_whole([passage.tokens for passage in passages])
        compute = llama.llama_encode if self._encodes else llama.llama_decode
        code = compute(self._pointer, self._arrays.batch)
        if code == INTERRUPTED:
            raise DecodeInterrupted("The computation was interrupted.")
        if code:
            raise DecodeFailed(f"llama.cpp could not compute the embeddings: {failure(code)}.")
        return [self._vector(slot, passage.width) for slot, passage in enumerate(passages)]

    def interrupt(self) -> None:
        self._interruption.set()

    def resume(self) -> None:
        self._interruption.clear()

    def close(self) -> None:
        llama.llama_free(self._pointer)

    def _vector(self, slot: int, width: int) -> bytes:
        numbers = llama.llama_get_embeddings_seq(self._pointer, slot)
        if not numbers:
            raise DecodeFailed("llama.cpp returned no embeddings.")
        vector = np.ctypeslib.as_array(numbers, (self.width,))[:width].astype(np.float64)
        length = float(np.sqrt(vector @ vector))
        if not 0 < length < np.inf:
            raise DecodeFailed("The model's output is not a vector; its file may be damaged.")
        return (vector / length).astype("<f4").tobytes()


def _context(model: Model, log: Log, pooling: int, capacity: int, threads: int) -> Any:
    params = llama.llama_context_default_params()
    params.embeddings = True
    params.pooling_type = pooling
    # Whoever looks at all tokens of a sequence needs them in one unit.
    params.n_ctx = params.n_batch = params.n_ubatch = capacity
    params.n_seq_max = BATCH_PASSAGES
    # One stream for all: a batch of sequences of any lengths is one unit then, too.
    params.kv_unified = True
    params.n_threads = params.n_threads_batch = threads
    # Long passages take a fifth of the time with it, also on the CPU, and many short ones together
    # no more than one by one: it skips what belongs to other passages.
    params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_AUTO
    log.reasons()
    pointer = llama.llama_init_from_model(model.pointer, params)
    if not pointer:
        reasons = "; ".join(log.reasons()) or "it gave no reason"
        raise ModelError(f"llama.cpp cannot embed inputs of {capacity} tokens: {reasons}.")
    return pointer
