"""Log probabilities from a row of logits: the model's own distribution, before any sampler."""

import numpy as np
from numpy.typing import NDArray


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Natural log probabilities of one row, float64 [vocabulary]."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max()
    shifted -= np.log(np.exp(shifted).sum())
    return shifted


def likeliest(logprobs: NDArray[np.float64], count: int) -> list[tuple[int, float]]:
    """The `count` likeliest as (token, logprob), the likeliest first, the lower id at a tie."""
    if count == 0:
        return []
    count = min(count, len(logprobs))
    found = np.argpartition(-logprobs, count - 1)[:count]
    ordered = found[np.lexsort((found, -logprobs[found]))]
    return [(int(token), float(logprobs[token])) for token in ordered]
