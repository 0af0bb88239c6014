"""How far a download is: counted, timed, and put into words or a bar. Prints nothing."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

# The rate is that of so many of the last seconds.
WINDOW_S = 10.0
BAR_CELLS = 24
STEP_PERCENT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Bytes that are here of those that are wanted, bytes a second (0: not known), and what keeps
    it from going on, if anything does. `sha256` of the (first) file, where the hub tells it.
    """

    done: int
    total: int
    rate: float = 0.0
    note: str = ""
    sha256: str | None = None

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0

    @property
    def seconds_left(self) -> float | None:
        return (self.total - self.done) / self.rate if self.rate else None


Report: TypeAlias = Callable[[Progress], None]


class Meter:
    """Counts what is here and how fast it comes. Bytes that were here before are `found`, not
    received: they would be a rate that nobody has.
    """

    def __init__(
        self,
        total: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        sha256: str | None = None,
    ) -> None:
        self._total = total
        self._sha256 = sha256
        self._clock = clock
        self._done = 0
        self._received = 0
        self._marks: deque[tuple[float, int]] = deque([(clock(), 0)])

    @property
    def received(self) -> int:
        return self._received

    def find(self, count: int) -> None:
        """Bytes that were here; less than none where they turned out to be of no use."""
        self._done += count

    def receive(self, count: int) -> None:
        self._done += count
        self._received += count
        now = self._clock()
        self._marks.append((now, self._received))
        while len(self._marks) > 2 and self._marks[1][0] <= now - WINDOW_S:
            self._marks.popleft()

    def restart(self) -> None:
        """Forget the rate: nothing came for a while."""
        self._marks = deque([(self._clock(), self._received)])

    def progress(self, note: str = "") -> Progress:
        (begin, before), (end, after) = self._marks[0], self._marks[-1]
        rate = (after - before) / (end - begin) if end > begin and not note else 0.0
        return Progress(
            done=self._done, total=self._total, rate=rate, note=note, sha256=self._sha256
        )


class Steps:
    """A line for every tenth, and for whatever keeps it from going on."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._step = -1
        self._note = ""

    def show(self, progress: Progress) -> None:
        step = progress.percent // STEP_PERCENT
        if step > self._step or progress.note not in ("", self._note):
            self._write(sentence(progress))
        self._step, self._note = max(step, self._step), progress.note


def sentence(progress: Progress) -> str:
    """`downloading 37 % (4.5 GB of 12.1 GB, 10.2 MB/s, 13 min left)`."""
    if not progress.total:
        return f"looking for the model{_pace(progress)}"
    facts = f"{amount(progress.done)} of {amount(progress.total)}"
    return f"downloading {progress.percent} % ({facts}{_pace(progress)})"


def bar(progress: Progress, columns: int) -> str:
    """The same as one line for a terminal of so many columns."""
    if not progress.total:
        return sentence(progress)[: columns - 1]
    filled = BAR_CELLS * progress.percent // 100
    cells = "#" * filled + "-" * (BAR_CELLS - filled)
    facts = f"{amount(progress.done)} of {amount(progress.total)}"
    return f"{progress.percent:3} % [{cells}] {facts}{_pace(progress)}"[: columns - 1]


def amount(count: float) -> str:
    """A number of bytes in words, as disks and networks count: 12.1 GB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


def _pace(progress: Progress) -> str:
    if progress.note:
        return f", {progress.note}"
    left = progress.seconds_left
    return "" if left is None else f", {amount(progress.rate)}/s, {_duration(left)} left"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
