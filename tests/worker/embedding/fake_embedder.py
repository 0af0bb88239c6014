"""An embedding runner without a model: tokens are characters, a vector tells what it is made of."""

import struct
from collections.abc import Callable, Sequence

from server.worker.embedding.jobs import BatchLimits
from server.worker.embedding.messages import Embed
from server.worker.embedding.ports import Passage

END = 0
WIDTH = 8
LIMITS = BatchLimits(context_length=16, tokens=24, passages=4, text_bytes=64, width=WIDTH)


def tokens_of(text: str) -> list[int]:
    """A space is no token; a text that is not empty ends with a mark."""
    letters = [ord(letter) for letter in text if letter != " "]
    return [*letters, END] if letters else []


def vector_of(tokens: Sequence[int], width: int = WIDTH) -> bytes:
    numbers = [float(len(tokens)), *map(float, tokens), *[0.0] * WIDTH]
    return struct.pack(f"<{width}f", *numbers[:width])


def embed(number: int, *inputs: str | list[int], **more: object) -> Embed:
    return Embed(id=number, inputs=list(inputs), **more)


class FakeEmbedder:
    """Remembers its batches. `on_embed` is called before each and may raise."""

    def __init__(self, on_embed: Callable[[Sequence[Passage]], None] | None = None) -> None:
        self.batches: list[list[Passage]] = []
        self.interrupted = False
        self._on_embed = on_embed

    def tokenize(self, text: str) -> list[int]:
        return tokens_of(text)

    def cut(self, tokens: list[int], length: int) -> list[int]:
        return [*tokens[: length - 1], END] if tokens[-1] == END else tokens[:length]

    def embed(self, passages: Sequence[Passage]) -> list[bytes]:
        self.batches.append(list(passages))
        if self._on_embed is not None:
            self._on_embed(passages)
        return [vector_of(passage.tokens, passage.width) for passage in passages]

    def interrupt(self) -> None:
        self.interrupted = True

    def resume(self) -> None:
        self.interrupted = False
