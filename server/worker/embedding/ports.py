"""The seam between the embedding loop and whatever computes: passages in, vectors out."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Passage(NamedTuple):
    """Input `ordinal` of request `job` as tokens; its vector is to have `width` numbers."""

    job: int
    ordinal: int
    tokens: Sequence[int]
    width: int


class EmbeddingRunner(Protocol):
    """Makes vectors. One thread calls it; `interrupt` may come from another."""

    def tokenize(self, text: str) -> list[int]:
        """What the model reads of a text, with the marks of its beginning and end."""
        ...

    def cut(self, tokens: list[int], length: int) -> list[int]:
        """The first of these tokens, so many in all, with the mark of the end where there was
        one.
        """
        ...

    def embed(self, passages: Sequence[Passage]) -> list[bytes]:
        """Their vectors as little-endian float32 of length 1. Errors: DecodeFailed,
        DecodeInterrupted.
        """
        ...

    def interrupt(self) -> None:
        """End the running `embed`, if the hardware allows, with DecodeInterrupted; or the next."""

    def resume(self) -> None:
        """Take `interrupt` back."""
