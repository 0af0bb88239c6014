"""Who waits for a slot and whose turn is next: between keys in turn, of one key first come first
served. Knows neither slots nor what the requests ask for.
"""

from collections import OrderedDict
from collections.abc import Mapping

from server.worker.sequence import Sequence


class Queue:
    """Sequences by owner. None has more than `owner_slots` running at once (None: as many as there
    are slots).
    """

    def __init__(self, owner_slots: int | None) -> None:
        self._owner_slots = owner_slots
        # In order of turn: whoever was served goes to the end.
        self._lines: OrderedDict[bytes, dict[int, Sequence]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def put(self, sequence: Sequence) -> None:
        """At the end of its owner's line."""
        self._lines.setdefault(sequence.owner, {})[sequence.id] = sequence

    def first(self, running: Mapping[bytes, int]) -> Sequence | None:
        """The next to run, where so many of each owner's run already: of the owners with the
        fewest, the one that was served longest ago. None when nobody may.
        """
        owner = min(
            (owner for owner in self._lines if self._may_run(running.get(owner, 0))),
            key=lambda owner: running.get(owner, 0),
            default=None,
        )
        if owner is None:
            return None
        return next(iter(self._lines[owner].values()))

    def serve(self, sequence: Sequence) -> None:
        """It runs now; its owner's next turn comes after the others'."""
        self._lines.move_to_end(sequence.owner)
        self.remove(sequence)

    def remove(self, sequence: Sequence) -> bool:
        """Whether it was waiting; it no longer does."""
        line = self._lines.get(sequence.owner, {})
        found = line.pop(sequence.id, None) is not None
        if found and not line:
            del self._lines[sequence.owner]
        return found

    def _may_run(self, running: int) -> bool:
        return self._owner_slots is None or running < self._owner_slots
