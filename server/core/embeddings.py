"""What is asked of an embedder and what it answers: one request, checked, frozen, free of any API's
words.
"""

from dataclasses import dataclass
from typing import TypeAlias

# A text, or token ids of the model's own vocabulary.
Input: TypeAlias = str | tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingRequest:
    """Vectors for `inputs`, none of them empty. `dimensions`: how many numbers a vector is to have,
    None for all. With `truncate` the end of an input that is too long is not read; without it the
    request is refused. `keep_alive_s`: see `core.request.GenerationRequest`.
    """

    inputs: tuple[Input, ...]
    dimensions: int | None = None
    truncate: bool = False
    keep_alive_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """A vector for each input in order, as little-endian float32 of length 1; and the tokens that
    each input had.
    """

    vectors: tuple[bytes, ...]
    tokens: tuple[int, ...]

    @property
    def total_tokens(self) -> int:
        return sum(self.tokens)
