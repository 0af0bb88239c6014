"""llama.cpp as the judge: greedy decoding through llama-cpp-python, and how sure it was."""

from pathlib import Path

import numpy as np
from llama_cpp import Llama


class Engine:
    """One loaded GGUF; every answer starts from an empty cache."""

    def __init__(self, path: Path, context: int = 4096) -> None:
        self.llama = Llama(
            str(path), n_ctx=context, n_threads=1, logits_all=True, verbose=False, swa_full=True
        )

    def encode(self, text: str) -> list[int]:
        """llama.cpp's own tokenisation, special tokens recognised."""
        return self.llama.tokenize(text.encode(), add_bos=False, special=True)

    def answer(
        self, prompt: list[int], stops: set[int], limit: int = 900
    ) -> tuple[list[int], float]:
        """Greedy answer up to and including a stop token, and its smallest margin in logits."""
        llama = self.llama
        llama.reset()
        llama.eval(prompt)
        out: list[int] = []
        margin = float("inf")
        while True:
            scores = llama.scores[llama.n_tokens - 1]
            out.append(int(scores.argmax()))
            first, second = np.partition(scores, -2)[-2:][::-1]
            margin = min(margin, float(first - second))
            if out[-1] in stops or len(out) >= limit:
                return out, margin
            llama.eval(out[-1:])
