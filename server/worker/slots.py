"""Which sequence sits in which slot. The one place that occupies and releases them, so that every
sequence leaves its slot exactly once.
"""

from collections.abc import Iterator

from server.worker.ports import Runner
from server.worker.sequence import Sequence


class Slots:
    """A fixed number of places in the runner's memory."""

    def __init__(self, count: int, runner: Runner) -> None:
        self._runner = runner
        self._places: list[Sequence | None] = [None] * count
        self.occupied = 0

    @property
    def free(self) -> list[int]:
        """The empty slots, in order."""
        return [slot for slot, place in enumerate(self._places) if place is None]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, slot: int) -> Sequence:
        """The sequence in this slot. Errors: LookupError when it is empty."""
        sequence = self._places[slot]
        if sequence is None:
            raise LookupError(f"slot {slot} is empty")
        return sequence

    def __iter__(self) -> Iterator[Sequence]:
        """The sequences in order of slot."""
        return (sequence for sequence in self._places if sequence is not None)

    def holds(self, sequence: Sequence) -> bool:
        """Whether the sequence is in its slot still."""
        return self._places[sequence.slot] is sequence

    def occupy(self, slot: int, sequence: Sequence, now: float) -> None:
        """Admit the sequence to this empty slot, which still holds what was left in it."""
        self._runner.occupy(slot, sequence.sampler)
        sequence.admit(slot, now)
        self._places[slot] = sequence
        self.occupied += 1

    def rewind(self, sequence: Sequence) -> None:
        """Forget what was computed; all of the sequence's tokens are pending again."""
        self._runner.rewind(sequence.slot)
        sequence.rewind()

    def trim(self, sequence: Sequence) -> None:
        """Forget what the slot holds beyond the sequence's computed tokens."""
        if not self._runner.trim(sequence.slot, sequence.computed):
            self.rewind(sequence)

    def release(self, sequence: Sequence) -> None:
        """The sequence leaves its slot, and what it computed there stays behind. Errors:
        LookupError when it does not sit there.
        """
        if self[sequence.slot] is not sequence:
            raise LookupError(f"slot {sequence.slot} holds another sequence")
        self._places[sequence.slot] = None
        self.occupied -= 1
        self._runner.release(sequence.slot)
