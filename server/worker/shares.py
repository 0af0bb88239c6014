"""How the tokens that fit into a step beside the running streams are shared out. Pure: knows
sequences and numbers, no slots and no clock.
"""

from collections.abc import Callable
from typing import TypeAlias

from server.worker.sequence import Sequence

# What a prompt is sorted by; the least comes first.
Urgency: TypeAlias = Callable[[Sequence], tuple[float, int]]


def urgency(now: float, token_s: float) -> Urgency:
    """The prompt that is done soonest comes first, at so many seconds a token; but whoever has
    waited as long as its own prompt takes is passed by nobody who comes then.
    """

    def of(sequence: Sequence) -> tuple[float, int]:
        waited_s = 0.0 if sequence.admitted_at is None else now - sequence.admitted_at
        return sequence.pending * token_s - waited_s, sequence.pending

    return of


def shared_out(
    forced: list[Sequence], prompts: list[Sequence], allowance: int, order: Urgency
) -> dict[int, int]:
    """The tokens each may compute, by slot: first what is forced on streams, beside their next
    token, then the prompts in order.
    """
    shares = {}
    for sequence in forced:
        shares[sequence.slot] = share = min(sequence.pending - 1, allowance)
        allowance -= share
    for sequence in sorted(prompts, key=order):
        shares[sequence.slot] = share = min(sequence.stretch, allowance)
        allowance -= share
        if allowance == 0:
            break
    return shares
