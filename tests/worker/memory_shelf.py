"""A shelf whose writes go on only when told to, so that every moment of them can be looked at."""

from collections import OrderedDict, deque
from collections.abc import Iterable

from server.worker.ports import Data
from server.worker.shelf import Record


class MemoryShelf:
    """`kept` is what would survive the process. `failing`: writes do not succeed."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.kept: OrderedDict[str, tuple[Record, bytes]] = OrderedDict()
        self.failing = False
        self.damaged: set[str] = set()
        self.reads = 0
        self.writing: tuple[Record, Data, bool] | None = None
        self._jobs: deque[tuple[str, Record, Data, bool]] = deque()
        self._finished: list[tuple[Record, bool]] = []

    def records(self) -> Iterable[Record]:
        return [record for record, _ in self.kept.values()]

    def bytes_of(self, record: Record) -> int:
        return record.size + 10

    def write(self, record: Record, data: Data, cold: bool) -> None:
        self._jobs.append(("write", record, data, cold))

    def withdraw(self, record: Record) -> bool:
        for job in self._jobs:
            if job[:2] == ("write", record):
                self._jobs.remove(job)
                return True
        return False

    def finished(self) -> Iterable[tuple[Record, bool]]:
        finished, self._finished = self._finished, []
        return finished

    def read(self, record: Record) -> Data | None:
        self.reads += 1
        if record.name in self.damaged:
            self.kept.pop(record.name, None)
            return None
        return self.kept[record.name][1]

    def touch(self, record: Record) -> None:
        self._jobs.append(("touch", record, b"", False))

    def remove(self, record: Record) -> None:
        self._jobs.append(("remove", record, b"", False))

    def close(self) -> None:
        self.work(len(self._jobs) + 1)

    @property
    def used(self) -> int:
        """Bytes on the medium, with what is being written."""
        being = self.bytes_of(self.writing[0]) if self.writing else 0
        return being + sum(self.bytes_of(record) for record, _ in self.kept.values())

    def work(self, jobs: int = 1) -> None:
        """Do the next jobs; a write only begins, and ends with the job after it."""
        for _ in range(jobs):
            self._end_write()
            if self._jobs:
                kind, record, data, cold = self._jobs.popleft()
                if kind == "write":
                    self.writing = (record, data, cold)
                elif kind == "remove":
                    self.kept.pop(record.name, None)
                elif record.name in self.kept:
                    self.kept.move_to_end(record.name)

    def _end_write(self) -> None:
        if self.writing is None:
            return
        record, data, cold = self.writing
        self.writing = None
        if not self.failing:
            self.kept[record.name] = (record, bytes(data))
            self.kept.move_to_end(record.name, last=not cold)
        self._finished.append((record, not self.failing))
