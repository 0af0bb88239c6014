"""What of a prompt need not be computed: restores snapshots, takes new ones, and holds a request
back while another computes what it needs. Knows no batches.
"""

from collections.abc import Callable

from server.worker.leftovers import LEAST_TOKENS, Leftovers
from server.worker.ports import Runner
from server.worker.prefix_store import Hit, PrefixStore
from server.worker.radix import ID_BYTES, common
from server.worker.sequence import Hold, Sequence
from server.worker.shelf import Record
from server.worker.slots import Slots

# Fewer tokens than this are computed sooner than waited for.
WORTH_WAITING = 32
# Long prompts get a snapshot every so many tokens, for those that part from them anywhere.
GRID = 1024
# Seconds a byte before anything was measured: memory and disk at half of what is common.
FIRST_COPY_S = 0.5e-9
FIRST_LOAD_S = 2e-9
RATE_WEIGHT = 0.3
LEAST_RATE_S = 1e-12


class Reuse:
    """Works on sequences between two steps. Copying never holds running streams up for longer than
    `max_stall_s` a step.
    """

    def __init__(
        self,
        runner: Runner,
        store: PrefixStore,
        slots: Slots,
        max_stall_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._runner = runner
        self._store = store
        self._slots = slots
        self._leftovers = Leftovers()
        self._clock = clock
        self._max_stall_s = max_stall_s
        # What may still be spent on copies before the next step; None: nobody waits for it.
        self._spare_s: float | None = None
        self._copy_s = FIRST_COPY_S
        self._load_s = FIRST_LOAD_S

    def settle(self) -> None:
        """Before a step: let those go on whose snapshot is there, or will not come."""
        streaming = any(sequence.streams for sequence in self._slots)
        self._spare_s = self._max_stall_s if streaming else None
        for sequence in self._slots:
            if sequence.hold is not None and not self._is_coming(sequence.hold):
                self.start(sequence)

    def choose(self, sequence: Sequence) -> int:
        """The free slot for the sequence; there must be one."""
        return self._leftovers.choose(self._slots.free, sequence)

    def start(self, sequence: Sequence) -> None:
        """A sequence that has computed nothing: begin with what is there of its prompt, or hold it
        for something better that is being computed.
        """
        if not self._store.budget:
            return
        sequence.hold = self._best_coming(sequence)
        if sequence.hold is None:
            if not self._go_on(sequence):
                self._restore(sequence)
            sequence.points = self._points(sequence)

    def leave(self, sequence: Sequence, *, sound: bool) -> None:
        """The sequence is about to leave its slot; unless `sound`, nobody knows what is in it."""
        if sound and sequence.hold is None and sequence.computed and self._store.budget:
            self._leftovers.leave(sequence)
        else:
            self._leftovers.drop(sequence.slot)
            self._runner.rewind(sequence.slot)

    def keep(self, sequence: Sequence) -> None:
        """After a step: take a snapshot if the sequence is at one of its points."""
        if sequence.computed not in sequence.points:
            return
        path = sequence.path[: sequence.computed * ID_BYTES]
        size = self._runner.snapshot_bytes(sequence.slot)
        if self._store.holds(sequence.salt, path) or not self._affords(size * self._copy_s):
            return
        if self._store.reserve(size):
            started = self._clock()
            data = self._runner.snapshot(sequence.slot)
            self._copy_s = self._spend(started, size, self._copy_s)
            cold = sequence.computed % GRID == 0
            self._store.add(Record(sequence.salt, path, len(data)), data, cold=cold)

    # --- others' work --------------------------------------------------------------------------

    def _is_coming(self, hold: Hold) -> bool:
        other = hold.other
        return self._is_prefilling(other) and other.computed < hold.point

    def _is_prefilling(self, other: Sequence) -> bool:
        return (
            self._slots.holds(other) and other.hold is None and other.computed < other.prompt_tokens
        )

    def _best_coming(self, sequence: Sequence) -> Hold | None:
        """The longest common prefix with a prompt that is being computed, if it is worth a wait."""
        best: Hold | None = None
        for other in self._slots:
            if other.salt == sequence.salt and other is not sequence and self._is_prefilling(other):
                hold = Hold(other, _meeting_point(other, sequence))
                if self._is_coming(hold) and (best is None or hold.point > best.point):
                    best = hold
        if best is None:
            return None
        stored = self._store.longest(sequence.salt, sequence.path)
        left = self._leftovers.shared(sequence.slot, sequence)
        if best.point - max(stored, left) < WORTH_WAITING:
            return None
        best.other.points = sorted({*best.other.points, best.point})
        return best

    # --- the slot ------------------------------------------------------------------------------

    def _go_on(self, sequence: Sequence) -> bool:
        """Whether the sequence goes on from what was left in its slot; if not, the slot is empty
        now.
        """
        slot, left = sequence.slot, self._leftovers.shared(sequence.slot, sequence)
        if not self._leftovers.drop(slot):
            return False
        stored = self._store.longest(sequence.salt, sequence.path)
        if not left or left < stored or not self._runner.trim(slot, left):
            self._runner.rewind(slot)
            return False
        sequence.restore(left)
        self._store.count_slot(left)
        return True

    # --- the store -----------------------------------------------------------------------------

    def _restore(self, sequence: Sequence) -> None:
        """Start from the longest snapshot that works. One token at least is left to compute, for
        nothing can be drawn without it.
        """
        path, last = sequence.path, sequence.prompt_tokens - 1
        while hit := self._fetch(sequence.salt, path):
            started = self._clock()
            if not self._runner.restore(sequence.slot, hit.data):
                self._store.discard(hit.record)
            elif hit.tokens <= last or self._runner.trim(sequence.slot, last):
                self._copy_s = self._spend(started, hit.record.size, self._copy_s)
                sequence.restore(min(hit.tokens, last))
                break
            else:
                path = path[:-ID_BYTES]
            self._runner.rewind(sequence.slot)
        self._store.hit(hit, sequence.computed)

    def _fetch(self, salt: bytes, path: bytes) -> Hit | None:
        """The longest snapshot that there is time to read."""
        spare_s = self._spare_s
        most_bytes = None if spare_s is None else int(max(spare_s, 0.0) / self._load_s)
        started = self._clock()
        hit = self._store.fetch(salt, path, most_bytes)
        if hit is not None and hit.from_disk:
            self._load_s = self._spend(started, hit.record.size, self._load_s)
        return hit

    def _points(self, sequence: Sequence) -> list[int]:
        end = sequence.prompt_tokens
        wanted = {*sequence.boundaries, *range(GRID, end, GRID), end}
        return sorted(
            point
            for point in wanted
            if max(LEAST_TOKENS, sequence.computed + 1) <= point <= end
            and not self._store.holds(sequence.salt, sequence.path[: point * ID_BYTES])
        )

    # --- time ----------------------------------------------------------------------------------

    def _affords(self, seconds: float) -> bool:
        return self._spare_s is None or seconds <= self._spare_s

    def _spend(self, started: float, size: int, rate: float) -> float:
        """Account for a copy of `size` bytes; the better estimate of seconds a byte."""
        seconds = self._clock() - started
        if self._spare_s is not None:
            self._spare_s -= seconds
        # Above zero however coarse the clock.
        return max(rate + RATE_WEIGHT * (seconds / max(size, 1) - rate), LEAST_RATE_S)


def _meeting_point(other: Sequence, sequence: Sequence) -> int:
    """Where a snapshot of the other prompt serves this one: at a point that it has anyway, if that
    is about as good as the very place where they part.
    """
    shared = common(other.path, sequence.path) // ID_BYTES
    planned = max((point for point in other.points if point <= shared), default=0)
    return planned if shared - planned < WORTH_WAITING else shared
