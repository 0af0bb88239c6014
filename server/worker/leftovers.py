"""What the sequences that ended left in their slots, and which free slot suits a new one best.
Knows no snapshots and no runner.
"""

from collections.abc import Sequence as Row
from dataclasses import dataclass

from server.worker.radix import ID_BYTES, common, pack
from server.worker.sequence import Sequence

# Less in common than this is not worth choosing a slot by.
LEAST_TOKENS = 16


@dataclass(frozen=True, slots=True)
class Leftover:
    """The tokens that are computed in a free slot, and with whom they may be shared."""

    salt: bytes
    path: bytes


class Leftovers:
    """Leftovers by slot. A slot without one is empty."""

    def __init__(self) -> None:
        # The oldest first.
        self._by_slot: dict[int, Leftover] = {}

    def leave(self, sequence: Sequence) -> None:
        """What the sequence has computed stays in its slot."""
        self._by_slot.pop(sequence.slot, None)
        path = pack(sequence.tokens[: sequence.computed])
        self._by_slot[sequence.slot] = Leftover(sequence.salt, path)

    def drop(self, slot: int) -> bool:
        """Whether there was one in this slot; it is not counted on any more."""
        return self._by_slot.pop(slot, None) is not None

    def shared(self, slot: int, sequence: Sequence) -> int:
        """How many tokens of the sequence's prompt are computed in the slot. At least one is left
        to compute, for nothing can be drawn without it.
        """
        left = self._by_slot.get(slot)
        if left is None or left.salt != sequence.salt:
            return 0
        shared = min(common(left.path, sequence.path) // ID_BYTES, sequence.prompt_tokens - 1)
        return shared if shared >= LEAST_TOKENS else 0

    def choose(self, free: Row[int], sequence: Sequence) -> int:
        """The free slot that has most of the prompt; where none has any, the lowest empty one, for
        llama.cpp computes neighbours together, or else the one that was left longest ago.
        """
        best = max(free, key=lambda slot: self.shared(slot, sequence))
        if self.shared(best, sequence):
            return best
        empty = [slot for slot in free if slot not in self._by_slot]
        return empty[0] if empty else next(slot for slot in self._by_slot if slot in free)
