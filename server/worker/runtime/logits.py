"""Drawing from the logits of a computed batch, within bounds: freely first, and again among what is
allowed where that was refused. Knows rows and samplers, nothing of how they were computed.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from server.worker.ports import Bounds, NothingAllowed, Sample, Span
from server.worker.runtime.logprobs import likeliest, log_softmax
from server.worker.runtime.sampler import Chain

EMPTY_ROWS: NDArray[np.float32] = np.empty((0, 0), np.float32)


class Rows:
    """`ports.Logits`. `rows` float32 [spans, vocabulary], one for each span in order; `greedy` are
    their largest; a slot without a chain draws these.
    """

    def __init__(
        self,
        rows: NDArray[np.float32],
        greedy: list[int],
        spans: list[Span],
        chains: Mapping[int, Chain],
    ) -> None:
        self._rows = rows
        self._greedy = greedy
        self._spans = spans
        self._chains = chains

    def draw(self, row: int, bounds: Bounds | None = None) -> Sample:
        span = self._spans[row]
        logits = self._rows[row]
        if chain := self._chains.get(span.slot):
            token = _sampled(chain, logits, bounds)
        else:
            token = self._greedy[row]
            if bounds is not None and bounds.refuses(token):
                token = int(np.where(allowed(bounds, len(logits)), logits, -np.inf).argmax())
        if span.top_logprobs is None:
            return Sample(token)
        logprobs = log_softmax(logits)
        return Sample(token, float(logprobs[token]), likeliest(logprobs, span.top_logprobs))


def _sampled(chain: Chain, logits: NDArray[np.float32], bounds: Bounds | None) -> int:
    """A token drawn by the chain. What was refused leaves no trace but in the random numbers, and
    must there: drawn again with the same number, the outcome would depend on the refusal.
    """
    if bounds is None:
        token = chain.pick(logits)
    elif chain.learns_by_drawing:
        token = chain.pick(logits, np.flatnonzero(allowed(bounds, len(logits))))
    else:
        token = chain.pick(logits)
        if bounds.refuses(token):
            token = chain.pick(logits, np.flatnonzero(allowed(bounds, len(logits))))
    chain.accept(token)
    return token


def allowed(bounds: Bounds, size: int) -> NDArray[np.bool_]:
    """All that may be drawn, bool [vocabulary]; at least one is True. Errors: NothingAllowed."""
    matcher, stops = bounds.matcher, list(bounds.stops)
    mask = np.ones(size, np.bool_) if matcher is None else np.array(matcher.mask(), np.bool_)
    mask[stops] = bounds.may_stop
    if not mask.any() and matcher is not None:
        # Too short to stop, but there is no other way to go on.
        mask[stops] = matcher.may_end
    if not mask.any():
        raise NothingAllowed(
            "No token of the model's vocabulary continues the answer within its grammar; loosen the"
            " schema or the grammar."
        )
    return mask
