"""The store's promises: the longest prefix, the least lately used goes first, budgets are kept."""

from collections import OrderedDict

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from server.worker import prefix_store
from server.worker.prefix_store import PrefixStore
from server.worker.radix import pack
from server.worker.shelf import NoShelf, Record
from tests.worker.memory_shelf import MemoryShelf

SALT = b"a"


def content(salt: bytes, tokens: list[int], size: int) -> bytes:
    return (salt + pack(tokens) + bytes(size))[:size]


def put(store: PrefixStore, tokens: list[int], size: int = 10, salt: bytes = SALT, **more: bool):
    if store.reserve(size):
        store.add(Record(salt, pack(tokens), size), content(salt, tokens, size), **more)


def found(store: PrefixStore, tokens: list[int], salt: bytes = SALT) -> int:
    """Tokens of what is fetched; it must be what was put there."""
    hit = store.fetch(salt, pack(tokens))
    if hit is None:
        return 0
    assert bytes(hit.data) == content(salt, tokens[: hit.tokens], hit.record.size)
    return hit.tokens


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf(1000)


def test_the_longest_prefix_is_found() -> None:
    store = PrefixStore(100, NoShelf())
    for tokens in ([1, 2], [1, 2, 3, 4], [1, 2, 9]):
        put(store, tokens)
    assert found(store, [1, 2, 3, 4, 5]) == 4
    assert found(store, [1, 2, 3]) == 2
    assert found(store, [1, 2, 9]) == 3
    assert found(store, [2, 1]) == 0
    assert store.longest(SALT, pack([1, 2, 3, 4, 5])) == 4
    assert store.holds(SALT, pack([1, 2]))
    assert not store.holds(SALT, pack([1]))


def test_salts_do_not_see_each_other() -> None:
    store = PrefixStore(100, NoShelf())
    put(store, [1, 2, 3], salt=b"a")
    assert found(store, [1, 2, 3], salt=b"b") == 0
    assert store.longest(b"b", pack([1, 2, 3])) == 0


def test_the_least_lately_used_goes_first() -> None:
    store = PrefixStore(30, NoShelf())
    for token in (1, 2, 3):
        put(store, [token])
    assert found(store, [1]) == 1
    put(store, [4])
    assert [found(store, [token]) for token in (1, 2, 3, 4)] == [1, 0, 1, 1]
    counters = store.news()
    assert counters is not None
    assert (counters.memory_evictions, counters.memory_bytes, counters.snapshots) == (1, 30, 4)


def test_a_cold_one_goes_before_the_others_until_it_is_used() -> None:
    store = PrefixStore(30, NoShelf())
    put(store, [1])
    put(store, [2], cold=True)
    put(store, [3])
    put(store, [4])
    assert [store.holds(SALT, pack([token])) for token in (1, 2, 3, 4)] == [True, False, True, True]
    put(store, [5], cold=True)
    assert found(store, [5]) == 1
    put(store, [6])
    assert store.holds(SALT, pack([5]))


def test_what_is_larger_than_the_budget_is_not_kept() -> None:
    store = PrefixStore(30, NoShelf())
    put(store, [1])
    assert not store.reserve(31)
    assert found(store, [1]) == 1


def test_a_prefix_is_kept_once(shelf: MemoryShelf) -> None:
    store = PrefixStore(30, shelf)
    put(store, [1])
    put(store, [1])
    shelf.close()
    counters = store.news()
    assert counters is not None
    assert (counters.snapshots, counters.memory_bytes, counters.disk_bytes) == (1, 10, 20)


def test_what_left_memory_comes_back_from_disk(shelf: MemoryShelf) -> None:
    store = PrefixStore(20, shelf)
    for token in (1, 2, 3):
        put(store, [token])
        shelf.work(2)
    hit = store.fetch(SALT, pack([1]))
    assert hit is not None
    assert hit.from_disk
    # Now it is in memory again, in the place of another.
    again = store.fetch(SALT, pack([1]))
    assert again is not None
    assert not again.from_disk
    assert shelf.reads == 1


def test_what_was_not_written_yet_is_lost_when_memory_is_needed(shelf: MemoryShelf) -> None:
    store = PrefixStore(20, shelf)
    for token in (1, 2, 3):
        put(store, [token])
    assert found(store, [1]) == 0
    shelf.close()
    assert len(shelf.kept) == 2


def test_what_is_being_written_stays_in_memory(shelf: MemoryShelf) -> None:
    store = PrefixStore(20, shelf)
    put(store, [1])
    shelf.work()
    put(store, [2])
    put(store, [3])
    assert [found(store, [token]) for token in (1, 2, 3)] == [1, 0, 1]
    assert not store.reserve(20)
    shelf.work()
    assert store.reserve(20)


def test_a_restart_finds_what_was_written_and_reads_it_when_needed(shelf: MemoryShelf) -> None:
    store = PrefixStore(100, shelf)
    put(store, [1, 2])
    put(store, [1, 2, 3])
    shelf.close()
    store = PrefixStore(100, shelf)
    assert store.longest(SALT, pack([1, 2, 3, 4])) == 3
    assert shelf.reads == 0
    assert found(store, [1, 2, 3, 4]) == 3
    assert shelf.reads == 1


def test_a_restart_with_less_room_gives_up_the_least_lately_used(shelf: MemoryShelf) -> None:
    store = PrefixStore(100, shelf)
    for token in (1, 2, 3):
        put(store, [token])
    assert found(store, [1]) == 1
    shelf.close()
    shelf.capacity = 40
    store = PrefixStore(100, shelf)
    shelf.close()
    assert [found(store, [token]) for token in (1, 2, 3)] == [1, 0, 1]
    assert shelf.used == 40


def test_knowing_of_many_small_files_takes_a_bounded_memory(
    shelf: MemoryShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    each = prefix_store.ENTRY_BYTES + 4
    monkeypatch.setattr(prefix_store, "MOST_INDEX_BYTES", 3 * each)
    store = PrefixStore(20, shelf)
    for token in range(1, 9):
        put(store, [token])
        shelf.close()
    # Three may be known of beside the one that has just come.
    assert [found(store, [token]) for token in (1, 4, 5, 8)] == [0, 0, 1, 1]
    news = store.news()
    assert news is not None
    assert news.disk_evictions == 4


def test_a_damaged_file_is_forgotten_and_a_shorter_prefix_serves(shelf: MemoryShelf) -> None:
    store = PrefixStore(100, shelf)
    put(store, [1, 2])
    put(store, [1, 2, 3])
    shelf.close()
    store = PrefixStore(100, shelf)
    shelf.damaged = {Record(SALT, pack([1, 2, 3]), 10).name}
    assert found(store, [1, 2, 3]) == 2
    assert store.longest(SALT, pack([1, 2, 3])) == 2


def test_a_file_too_large_to_read_now_is_passed_over(shelf: MemoryShelf) -> None:
    store = PrefixStore(100, shelf)
    put(store, [1], size=10)
    put(store, [1, 2], size=50)
    shelf.close()
    store = PrefixStore(100, shelf)
    hit = store.fetch(SALT, pack([1, 2]), most_bytes=20)
    assert hit is not None
    assert hit.tokens == 1
    assert found(store, [1, 2]) == 2


def test_a_failed_write_leaves_it_in_memory_only(shelf: MemoryShelf) -> None:
    store = PrefixStore(20, shelf)
    shelf.failing = True
    put(store, [1])
    shelf.work(2)
    counters = store.news()
    assert counters is not None
    assert (counters.memory_bytes, counters.disk_bytes) == (10, 0)
    assert found(store, [1]) == 1
    assert store.reserve(20)
    assert found(store, [1]) == 0


def test_a_discarded_one_is_gone_everywhere(shelf: MemoryShelf) -> None:
    store = PrefixStore(100, shelf)
    put(store, [1])
    put(store, [2])
    shelf.work(2)
    for token in (1, 2, 3):
        store.discard(Record(SALT, pack([token]), 10))
    shelf.close()
    assert not shelf.kept
    assert found(store, [1]) == found(store, [2]) == 0


def test_without_a_budget_nothing_is_kept_or_looked_at(shelf: MemoryShelf) -> None:
    put(PrefixStore(100, shelf), [1])
    shelf.close()
    store = PrefixStore(0, shelf)
    put(store, [2])
    assert found(store, [1]) == found(store, [2]) == 0


def test_counters_are_told_when_they_have_changed() -> None:
    store = PrefixStore(100, NoShelf())
    put(store, [1])
    assert store.news() is not None
    assert store.news() is None
    store.hit(store.fetch(SALT, pack([1, 2])), 1)
    store.hit(None, 0)
    counters = store.news()
    assert counters is not None
    assert (counters.memory_hits, counters.disk_hits) == (1, 0)
    assert (counters.misses, counters.tokens) == (1, 1)


TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=5)
SALTS = st.sampled_from([b"a", b"b"])
SIZES = st.integers(1, 40)


class MemoryOnly(RuleBasedStateMachine):
    """Against an ordered dict that is searched through."""

    BUDGET = 100

    def __init__(self) -> None:
        super().__init__()
        self.store = PrefixStore(self.BUDGET, NoShelf())
        self.model: OrderedDict[tuple[bytes, tuple[int, ...]], int] = OrderedDict()

    @rule(salt=SALTS, tokens=TOKENS, size=SIZES, cold=st.booleans())
    def put(self, salt: bytes, tokens: list[int], size: int, cold: bool) -> None:
        put(self.store, tokens, size, salt, cold=cold)
        while sum(self.model.values()) + size > self.BUDGET:
            self.model.popitem(last=False)
        key = (salt, tuple(tokens))
        if key not in self.model:
            self.model[key] = size
            self.model.move_to_end(key, last=not cold)

    @rule(salt=SALTS, tokens=TOKENS)
    def fetch(self, salt: bytes, tokens: list[int]) -> None:
        keys = [(salt, tuple(tokens[:end])) for end in range(len(tokens) + 1)]
        best = max((len(key[1]) for key in keys if key in self.model), default=0)
        assert self.store.longest(salt, pack(tokens)) == best
        assert found(self.store, tokens, salt) == best
        if best:
            self.model.move_to_end((salt, tuple(tokens[:best])))

    @rule(salt=SALTS, tokens=TOKENS)
    def discard(self, salt: bytes, tokens: list[int]) -> None:
        self.store.discard(Record(salt, pack(tokens), 1))
        self.model.pop((salt, tuple(tokens)), None)

    @invariant()
    def bytes_are_counted(self) -> None:
        if counters := self.store.news():
            assert counters.memory_bytes == sum(self.model.values()) <= self.BUDGET


class TwoTiers(RuleBasedStateMachine):
    """Whatever the disk does: budgets are kept, and what is fetched is what was put."""

    def __init__(self) -> None:
        super().__init__()
        self.shelf = MemoryShelf(120)
        self.open()

    @rule()
    def open(self) -> None:
        """A start, or a restart with a shelf that was killed or closed."""
        self.shelf._jobs.clear()
        self.shelf.writing = None
        self.shelf.finished()
        self.store = PrefixStore(80, self.shelf)

    @rule()
    def close(self) -> None:
        self.shelf.close()
        self.open()

    @rule(jobs=st.integers(1, 4), failing=st.booleans())
    def work(self, jobs: int, failing: bool) -> None:
        self.shelf.failing = failing
        self.shelf.work(jobs)

    @rule(salt=SALTS, tokens=TOKENS, size=SIZES, cold=st.booleans())
    def put(self, salt: bytes, tokens: list[int], size: int, cold: bool) -> None:
        put(self.store, tokens, size, salt, cold=cold)

    @rule(salt=SALTS, tokens=TOKENS)
    def fetch(self, salt: bytes, tokens: list[int]) -> None:
        longest = self.store.longest(salt, pack(tokens))
        assert found(self.store, tokens, salt) <= longest

    @rule(salt=SALTS, tokens=TOKENS)
    def discard(self, salt: bytes, tokens: list[int]) -> None:
        self.store.discard(Record(salt, pack(tokens), 1))
        assert not self.store.holds(salt, pack(tokens))

    @invariant()
    def budgets_are_kept(self) -> None:
        assert self.shelf.used <= self.shelf.capacity
        if counters := self.store.news():
            assert 0 <= counters.memory_bytes <= 80
            assert 0 <= counters.disk_bytes <= 120


TestMemoryOnly = MemoryOnly.TestCase
TestMemoryOnly.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestTwoTiers = TwoTiers.TestCase
TestTwoTiers.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
