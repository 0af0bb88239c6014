"""Drives a model in this process with llama.cpp's own calls and nothing else: the yardstick.

Started by the benchmarks: `python bench/bare_llama.py MODEL THREADS`; for each line `PROMPT TOKENS`
on standard input it computes a prompt of that many tokens, generates so many greedily and prints
the seconds that took.
"""

import ctypes
import sys
import time

import llama_cpp

CONTEXT = 4096
BATCH = 512


class BareModel:
    """One model, one sequence, greedy; the same memory layout as the server's worker."""

    def __init__(self, path: str, threads: int) -> None:
        model_options = llama_cpp.llama_model_default_params()
        model_options.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), model_options)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        options = llama_cpp.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch = CONTEXT, BATCH, BATCH
        options.n_threads = options.n_threads_batch = threads
        options.swa_full, options.kv_unified = False, False
        self.context = llama_cpp.llama_init_from_model(self.model, options)
        self.sampler = llama_cpp.llama_sampler_init_greedy()

    def run(self, prompt: int, tokens: int) -> float:
        """Seconds for a prompt of `prompt` tokens and `tokens` generated ones."""
        memory = llama_cpp.llama_get_memory(self.context)
        llama_cpp.llama_memory_seq_rm(memory, -1, -1, -1)
        ids = (ctypes.c_int32 * prompt)(*(100 + n % 1000 for n in range(prompt)))
        start = time.perf_counter()
        for at in range(0, prompt, BATCH):
            count = min(BATCH, prompt - at)
            piece = ctypes.cast(
                ctypes.byref(ids, at * ctypes.sizeof(ctypes.c_int32)),
                ctypes.POINTER(ctypes.c_int32),
            )
            self._decode(llama_cpp.llama_batch_get_one(piece, count))
        one = (ctypes.c_int32 * 1)()
        batch = llama_cpp.llama_batch_get_one(one, 1)
        for _ in range(tokens - 1):
            one[0] = llama_cpp.llama_sampler_sample(self.sampler, self.context, -1)
            self._decode(batch)
        llama_cpp.llama_sampler_sample(self.sampler, self.context, -1)
        return time.perf_counter() - start

    def _decode(self, batch: llama_cpp.llama_batch) -> None:
        if llama_cpp.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")


@llama_cpp.llama_log_callback
def _silent(_level: int, _text: bytes, _data: ctypes.c_void_p) -> None:
    pass


def main() -> None:
    llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    model = BareModel(sys.argv[1], int(sys.argv[2]))
    print("ready", flush=True)
    for line in sys.stdin:
        prompt, tokens = map(int, line.split())
        print(model.run(prompt, tokens), flush=True)


if __name__ == "__main__":
    main()
