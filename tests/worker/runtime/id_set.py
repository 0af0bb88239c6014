"""A matcher of texts over some ids, with a mask as the runtime wants it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from server.worker.messages import Grammar
from tests.worker.fake_runner import Alphabet


class IdSet(Alphabet):
    def __init__(self, text: str, vocabulary_size: int) -> None:
        super().__init__(text)
        self._size = vocabulary_size

    def mask(self) -> NDArray[np.bool_]:
        mask = np.zeros(self._size, np.bool_)
        mask[list(super().mask())] = True
        return mask


def id_sets(vocabulary_size: int) -> Callable[[Grammar], IdSet]:
    return lambda grammar: IdSet(grammar.text, vocabulary_size)
