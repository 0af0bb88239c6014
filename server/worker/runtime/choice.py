"""One of a few sequences of tokens, matched by id: cheap, and control tokens may be among them.
Knows no text.
"""

import numpy as np
from numpy.typing import NDArray

from server.worker.messages import Grammar
from server.worker.ports import Compile, Matcher


class ChoiceMatcher:
    """What is left of the sequences that have not been ruled out (`worker.ports.Matcher`)."""

    def __init__(self, choices: list[list[int]], vocabulary_size: int) -> None:
        self._left = choices
        self._size = vocabulary_size

    def allows(self, token: int) -> bool:
        return any(left[:1] == [token] for left in self._left)

    def mask(self) -> NDArray[np.bool_]:
        mask = np.zeros(self._size, np.bool_)
        mask[[left[0] for left in self._left if left]] = True
        return mask

    def accept(self, token: int) -> None:
        self._left = [left[1:] for left in self._left if left[:1] == [token]]

    @property
    def may_end(self) -> bool:
        return [] in self._left

    @property
    def must_end(self) -> bool:
        return not any(self._left)


def with_choices(compiled: Compile, vocabulary_size: int) -> Compile:
    """A compiler that knows choices, and leaves texts to another."""

    def compile_any(grammar: Grammar) -> Matcher:
        if grammar.kind == "choice":
            return ChoiceMatcher(grammar.choices, vocabulary_size)
        return compiled(grammar)

    return compile_any
