"""Finished responses, kept for a while: so many, so many bytes, so long, each for its owner alone.

Knows neither what they say nor who the owners are. Nothing outlives the process.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

# What a response or a turn costs besides its text: the objects around it.
OVERHEAD_BYTES = 512
REFERENCE_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLimits:
    """What a store may hold; 0 responses, bytes or seconds: nothing."""

    count: int = 1000
    bytes: int = 64 * 1024 * 1024
    seconds: float = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """What was said in one response, as JSON: the items that were sent, and the whole response.
    Compared by identity, because every later response of its conversation holds the same one.
    """

    input: bytes
    body: bytes

    @property
    def size(self) -> int:
        return len(self.input) + len(self.body) + OVERHEAD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A response and the conversation that led to it: `turns` are oldest first, its own is last."""

    id: str
    owner: str
    turns: tuple[Turn, ...]

    @property
    def own(self) -> Turn:
        return self.turns[-1]

    @property
    def size(self) -> int:
        """Bytes that no other response shares."""
        return OVERHEAD_BYTES + REFERENCE_BYTES * len(self.turns)


class ResponseStore:
    """The oldest response goes first, by age or for want of room; what the others tell of the same
    conversation stays theirs. A turn counts once, however many hold it. Safe to use from threads.

    `clock` counts seconds. Those that are too old go when the store is used next.
    """

    def __init__(self, limits: StoreLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        # In order of age: all live equally long.
        self._kept: dict[str, tuple[Kept, float]] = {}
        self._holders: Counter[Turn] = Counter()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def bytes(self) -> int:
        """What is held, by this store's reckoning; never above its limit."""
        return self._bytes

    @property
    def enabled(self) -> bool:
        """Whether it can keep anything at all."""
        return min(self._limits.count, self._limits.bytes, self._limits.seconds) > 0

    def put(self, kept: Kept) -> bool:
        """Keep a response, and let go of others for it; False where it is larger than the store."""
        alone = kept.size + sum(turn.size for turn in set(kept.turns))
        if not self.enabled or alone > self._limits.bytes:
            return False
        with self._lock:
            now = self._clock()
            self._expire(now)
            self._drop(kept.id)
            self._add(kept, now + self._limits.seconds)
            while len(self._kept) > self._limits.count or self._bytes > self._limits.bytes:
                self._drop(next(iter(self._kept)))
        return True

    def get(self, id_: str, owner: str) -> Kept | None:
        """The response of that id, where it is kept and this owner's."""
        with self._lock:
            self._expire(self._clock())
            return self._of(id_, owner)

    def delete(self, id_: str, owner: str) -> bool:
        """Let go of a response; False where there is none of this owner's."""
        with self._lock:
            self._expire(self._clock())
            if self._of(id_, owner) is None:
                return False
            self._drop(id_)
            return True

    def _of(self, id_: str, owner: str) -> Kept | None:
        kept, _ = self._kept.get(id_, (None, 0.0))
        return kept if kept is not None and kept.owner == owner else None

    def _expire(self, now: float) -> None:
        while self._kept:
            oldest, deadline = next(iter(self._kept.values()))
            if deadline > now:
                break
            self._drop(oldest.id)

    def _add(self, kept: Kept, deadline: float) -> None:
        self._kept[kept.id] = (kept, deadline)
        self._bytes += kept.size
        for turn in kept.turns:
            self._holders[turn] += 1
            if self._holders[turn] == 1:
                self._bytes += turn.size

    def _drop(self, id_: str) -> None:
        if id_ not in self._kept:
            return
        kept, _ = self._kept.pop(id_)
        self._bytes -= kept.size
        for turn in kept.turns:
            self._holders[turn] -= 1
            if not self._holders[turn]:
                del self._holders[turn]
                self._bytes -= turn.size
