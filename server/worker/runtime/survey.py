"""The process that looks at an engine and a model: one SurveyRequest in JSON as its argument, one
Survey in JSON on standard output. Loads no weights.
"""

import ctypes
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import llama_cpp
import llama_cpp.llama_cpp as llama
import numpy as np

from server.worker.messages import ModelOptions
from server.worker.runtime import library, memory
from server.worker.runtime.context import BATCH_TOKENS
from server.worker.runtime.fingerprint import parts
from server.worker.runtime.library import Log
from server.worker.runtime.load import fitting_context
from server.worker.runtime.model import ALL_LAYERS, Model, ModelError, ModelFile, place
from server.worker.survey import (
    Card,
    Survey,
    SurveyedModel,
    SurveyRequest,
    answer,
    read_question,
)

# Beyond what any processor's caches hold, and no more than a part of what is free.
BANDWIDTH_BYTES = 1 << 30
BANDWIDTH_SHARE = 8
LEAST_BANDWIDTH_BYTES = 64 << 20
BANDWIDTH_ROUNDS = 20
_FEATURE = re.compile(r"(\w+) = 1")
_EXPERTS = re.compile(r"_exps\b")
# Of the table of embeddings a token needs one row.
_TABLE, _OUTPUT = "token_embd.weight", "output.weight"


def survey(request: SurveyRequest, log: Log) -> Survey:
    available = memory.available_bytes(mapped=True)
    text = llama.llama_print_system_info().decode(errors="replace")
    threads = request.bandwidth_threads
    return Survey(
        version=llama_cpp.__version__,
        features=tuple(_FEATURE.findall(text)),
        gpu_build=bool(llama.llama_supports_gpu_offload()),
        cards=tuple(Card(name=gpu.name, free=gpu.free) for gpu in library.gpus()),
        available_bytes=available,
        model=_facts(request.model, log) if request.model else None,
        bandwidth=max(_rates(threads, available)) if threads else 0.0,
    )


def _facts(options: ModelOptions, log: Log) -> SurveyedModel:
    file = ModelFile(options.path, log)
    try:
        shape, trained = file.shape()
        share = file.glance(_share_of_experts)
        description = file.glance(lambda model: model.description)
    except ModelError as error:
        return SurveyedModel(error=str(error))
    context, notes = fitting_context(options.context_length, trained)
    kv_bytes = shape.kv_bytes(context, options.slots, BATCH_TOKENS)
    placement = place(options, shape, kv_bytes)
    on_card = shape.layers if placement.gpu_layers == ALL_LAYERS else placement.gpu_layers
    return SurveyedModel(
        description=description,
        weight_bytes=shape.weight_bytes,
        active_bytes=_active_bytes(dict(_tensors(Path(options.path))), share),
        kv_bytes=kv_bytes,
        layers=shape.layers,
        gpu_layers=min(on_card, shape.layers),
        repack=placement.repack,
        training_context_length=trained,
        notes=(*notes, *placement.notes),
    )


def _share_of_experts(model: Model) -> float:
    """The part of the experts that a token goes through."""
    count = model.number("expert_count")
    return model.number("expert_used_count") / count if count else 1.0


def _active_bytes(sizes: dict[str, int], share_of_experts: float) -> int:
    """What of the weights is read for one token."""
    active = 0.0
    for name, size in sizes.items():
        # Without an output of its own a model reads the whole table for it.
        if name == _TABLE and _OUTPUT in sizes:
            continue
        active += size * share_of_experts if _EXPERTS.search(name) else size
    return int(active)


class _GgufParams(ctypes.Structure):
    """gguf.h: struct gguf_init_params."""

    _fields_ = (("no_alloc", ctypes.c_bool), ("context", ctypes.c_void_p))


def _tensors(path: Path) -> Iterator[tuple[str, int]]:
    """Names and sizes in bytes, of all parts of the model."""
    whole, index = ctypes.c_void_p, ctypes.c_int64
    open_file = library.ggml("gguf_init_from_file", whole, ctypes.c_char_p, _GgufParams)
    count = library.ggml("gguf_get_n_tensors", index, whole)
    name = library.ggml("gguf_get_tensor_name", ctypes.c_char_p, whole, index)
    size = library.ggml("gguf_get_tensor_size", ctypes.c_size_t, whole, index)
    close = library.ggml("gguf_free", None, whole)
    for part in parts(path):
        if pointer := open_file(str(part).encode(), _GgufParams(True, None)):
            for number in range(count(pointer)):
                yield name(pointer, number).decode(errors="replace"), size(pointer, number)
            close(pointer)


def _rates(threads: int, available: int | None) -> Iterator[float]:
    """Bytes a second at which so many threads read a large array, in each round."""
    fitting = (available or 0) // BANDWIDTH_SHARE
    size = max(min(BANDWIDTH_BYTES, fitting), LEAST_BANDWIDTH_BYTES)
    array = np.ones(size // 4, np.int32)
    pieces = np.array_split(array, threads)
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(BANDWIDTH_ROUNDS):
            began = time.perf_counter()
            # Of numpy's ways to look at every number, the one that waits for memory alone.
            list(pool.map(np.max, pieces))
            yield array.nbytes / (time.perf_counter() - began)


def main() -> None:
    sys.stdout.buffer.write(answer(survey(read_question(sys.argv[1]), library.start())))


if __name__ == "__main__":
    main()
