"""Computed prompts by their tokens: a tree of snapshots in memory, and of those on disk, each tier
within its budget. Knows neither what is in a snapshot nor how files are written.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from server.core.ports import PrefixCounters
from server.worker.ports import Data
from server.worker.radix import ID_BYTES, RadixTree
from server.worker.shelf import Record, Shelf

# What knowing of an entry takes of memory beside its path: places in the tree and in a tier.
ENTRY_BYTES = 2048
# All that knowing of what is on disk may take, however small the snapshots there are.
MOST_INDEX_BYTES = 32 << 20


@dataclass(slots=True)
class _Entry:
    record: Record
    data: Data | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A snapshot of the first `tokens` ids of what was looked for."""

    record: Record
    data: Data
    from_disk: bool

    @property
    def tokens(self) -> int:
        return len(self.record.path) // ID_BYTES


@dataclass(slots=True)
class _Counts:
    slot_hits: int = 0
    memory_hits: int = 0
    disk_hits: int = 0
    misses: int = 0
    tokens: int = 0
    snapshots: int = 0
    memory_evictions: int = 0
    disk_evictions: int = 0


@dataclass(slots=True)
class _Tier:
    """Entries by name, the first to go first; `used` is what they take of the budget, `index` what
    knowing of them takes of memory.
    """

    budget: int
    entries: "OrderedDict[str, _Entry]" = field(default_factory=OrderedDict)
    used: int = 0
    index: int = 0

    def add(self, name: str, entry: _Entry, size: int, cold: bool) -> None:
        self.entries[name] = entry
        self.entries.move_to_end(name, last=not cold)
        self.used += size
        self.index += _index_bytes(entry.record)

    def drop(self, name: str, size: int) -> None:
        if entry := self.entries.pop(name, None):
            self.used -= size
            self.index -= _index_bytes(entry.record)


class PrefixStore:
    """Snapshots of the first tokens of prompts. `budget` is in bytes; 0 keeps none.

    Whoever takes a snapshot asks `reserve` for its size first, so that its bytes never stand
    beside a full store.
    """

    def __init__(self, budget: int, shelf: Shelf) -> None:
        self.budget = budget
        self._shelf = shelf
        self._trees: dict[bytes, RadixTree[_Entry]] = {}
        self._memory = _Tier(budget)
        self._disk = _Tier(shelf.capacity)
        # Names on their way to the shelf; their bytes stay in memory until they are there.
        self._unwritten: dict[str, Record] = {}
        self._counts = _Counts()
        self._changed = True
        for record in shelf.records() if budget else ():
            entry = _Entry(record)
            self._plant(entry)
            self._disk.add(record.name, entry, shelf.bytes_of(record), cold=False)
        self._fit_disk(0)

    def longest(self, salt: bytes, path: bytes) -> int:
        """How many tokens of this path a snapshot covers."""
        found = self._prefixes(salt, path)
        return found[-1][0] // ID_BYTES if found else 0

    def holds(self, salt: bytes, path: bytes) -> bool:
        """Whether there is a snapshot of exactly this path."""
        tree = self._trees.get(salt)
        return tree is not None and tree.get(path) is not None

    def fetch(self, salt: bytes, path: bytes, most_bytes: int | None = None) -> Hit | None:
        """The longest snapshot that begins this path; from disk only one of at most `most_bytes`
        (None: any).
        """
        for _, entry in reversed(self._prefixes(salt, path)):
            data, from_disk = entry.data, entry.data is None
            if data is None:
                if most_bytes is not None and entry.record.size > most_bytes:
                    continue
                data = self._load(entry)
            if data is not None:
                self._touch(entry)
                return Hit(entry.record, data, from_disk)
        return None

    def reserve(self, size: int) -> bool:
        """Make room in memory for so many bytes; False when there can be none."""
        if size > self._memory.budget:
            return False
        while self._memory.used + size > self._memory.budget:
            if not self._evict_memory():
                return False
        return True

    def add(self, record: Record, data: Data, *, cold: bool = False) -> None:
        """Keep a snapshot that there is room for (`reserve`). A cold one is the first to go, until
        it is used.
        """
        if self.holds(record.salt, record.path):
            return
        entry = _Entry(record, data)
        self._plant(entry)
        self._memory.add(record.name, entry, record.size, cold)
        self._counts.snapshots += 1
        self._changed = True
        self._write(entry, cold)

    def discard(self, record: Record) -> None:
        """Forget a snapshot that turned out to be unusable."""
        tree = self._trees.get(record.salt)
        entry = tree.get(record.path) if tree else None
        if entry is not None:
            self._leave_disk(entry)
        if entry is not None and entry.data is not None:
            self._leave_memory(entry)

    def hit(self, hit: Hit | None, tokens: int) -> None:
        """Count a prompt of which so many tokens were restored, or none."""
        if hit is None:
            self._counts.misses += 1
        elif hit.from_disk:
            self._counts.disk_hits += 1
        else:
            self._counts.memory_hits += 1
        self._counts.tokens += tokens
        self._changed = True

    def count_slot(self, tokens: int) -> None:
        """Count a prompt of which so many tokens were in its slot already."""
        self._counts.slot_hits += 1
        self._counts.tokens += tokens
        self._changed = True

    def news(self) -> PrefixCounters | None:
        """The counters, if they have changed since the last call."""
        self._hear()
        if not self._changed:
            return None
        self._changed = False
        counts = {name: getattr(self._counts, name) for name in _Counts.__slots__}
        coming = [each for name, each in self._unwritten.items() if name in self._disk.entries]
        disk_bytes = self._disk.used - sum(self._shelf.bytes_of(record) for record in coming)
        return PrefixCounters(**counts, memory_bytes=self._memory.used, disk_bytes=disk_bytes)

    # --- the tree ------------------------------------------------------------------------------

    def _prefixes(self, salt: bytes, path: bytes) -> list[tuple[int, _Entry]]:
        tree = self._trees.get(salt)
        return tree.prefixes(path) if tree else []

    def _plant(self, entry: _Entry) -> None:
        tree = self._trees.setdefault(entry.record.salt, RadixTree())
        tree.insert(entry.record.path, entry)

    def _uproot_if_gone(self, entry: _Entry) -> None:
        """Out of the tree when it is in neither tier."""
        if entry.data is None and entry.record.name not in self._disk.entries:
            salt = entry.record.salt
            self._trees[salt].remove(entry.record.path)
            if not self._trees[salt]:
                del self._trees[salt]

    def _touch(self, entry: _Entry) -> None:
        name = entry.record.name
        if name in self._memory.entries:
            self._memory.entries.move_to_end(name)
        if name in self._disk.entries:
            self._disk.entries.move_to_end(name)
            self._shelf.touch(entry.record)

    # --- memory --------------------------------------------------------------------------------

    def _evict_memory(self) -> bool:
        """Give up the bytes of the first entry that can be spared."""
        self._hear()
        for name, entry in self._memory.entries.items():
            if name in self._unwritten:
                if not self._shelf.withdraw(entry.record):
                    continue
                del self._unwritten[name]
                self._disk.drop(name, self._shelf.bytes_of(entry.record))
            self._counts.memory_evictions += 1
            self._leave_memory(entry)
            return True
        return False

    def _leave_memory(self, entry: _Entry) -> None:
        entry.data = None
        self._memory.drop(entry.record.name, entry.record.size)
        self._changed = True
        self._uproot_if_gone(entry)

    # --- disk ----------------------------------------------------------------------------------

    def _write(self, entry: _Entry, cold: bool) -> None:
        size = self._shelf.bytes_of(entry.record)
        if self._fit_disk(size):
            self._disk.add(entry.record.name, entry, size, cold)
            self._unwritten[entry.record.name] = entry.record
            self._shelf.write(entry.record, entry.data or b"", cold)

    def _fit_disk(self, size: int) -> bool:
        if size > self._disk.budget:
            return False
        while self._disk.used + size > self._disk.budget or self._disk.index > MOST_INDEX_BYTES:
            self._counts.disk_evictions += 1
            self._leave_disk(next(iter(self._disk.entries.values())))
        return True

    def _leave_disk(self, entry: _Entry) -> None:
        record = entry.record
        if record.name in self._disk.entries:
            self._disk.drop(record.name, self._shelf.bytes_of(record))
            if record.name not in self._unwritten or not self._shelf.withdraw(record):
                # Also when it is being written: the removal then comes after.
                self._shelf.remove(record)
            else:
                self._unwritten.pop(record.name, None)
        self._changed = True
        self._uproot_if_gone(entry)

    def _load(self, entry: _Entry) -> Data | None:
        """Bring an entry from disk into memory; one that is damaged is forgotten."""
        if not self.reserve(entry.record.size):
            return None
        data = self._shelf.read(entry.record)
        if data is None:
            self._disk.drop(entry.record.name, self._shelf.bytes_of(entry.record))
            self._changed = True
            self._uproot_if_gone(entry)
            return None
        entry.data = data
        self._memory.add(entry.record.name, entry, entry.record.size, cold=False)
        return data

    def _hear(self) -> None:
        """Take note of the writes that have ended."""
        for record, succeeded in self._shelf.finished():
            self._unwritten.pop(record.name, None)
            entry = self._disk.entries.get(record.name)
            if entry is not None and not succeeded:
                self._disk.drop(record.name, self._shelf.bytes_of(record))
                self._uproot_if_gone(entry)
            self._changed = True


def _index_bytes(record: Record) -> int:
    return ENTRY_BYTES + len(record.path)
