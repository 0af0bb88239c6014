"""What the store of responses keeps, for whom, and how much of it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.response_store import OVERHEAD_BYTES, Kept, ResponseStore, StoreLimits, Turn

OWNERS = ("ann", "bob")
LIMITS = StoreLimits(count=4, bytes=8000, seconds=10.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def turn(size: int = 100) -> Turn:
    return Turn(input=b"i" * (size // 2), body=b"b" * (size - size // 2))


def kept(id_: str, *turns: Turn, owner: str = "ann") -> Kept:
    return Kept(id=id_, owner=owner, turns=turns or (turn(),))


def reckoned(held: list[Kept]) -> int:
    """The bytes of these responses, by definition: shared turns once."""
    turns = {each for response in held for each in response.turns}
    return sum(response.size for response in held) + sum(each.size for each in turns)


class Store(RuleBasedStateMachine):
    """The store against a list of responses, oldest first, that is searched from its end."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = ResponseStore(LIMITS, self.clock)
        self.model: list[tuple[Kept, float]] = []
        self.ids: list[str] = []

    def living(self) -> list[Kept]:
        self.model = [each for each in self.model if each[1] > self.clock.now]
        return [response for response, _ in self.model]

    @rule(size=st.integers(0, 9000), owner=st.sampled_from(OWNERS), data=st.data())
    def put(self, size: int, owner: str, data: st.DataObject) -> None:
        mine = [response for response in self.living() if response.owner == owner]
        earlier = (
            data.draw(st.sampled_from(mine)).turns if mine and data.draw(st.booleans()) else ()
        )
        response = kept(f"r{len(self.ids)}", *earlier, turn(size), owner=owner)
        self.ids.append(response.id)
        fits = reckoned([response]) <= LIMITS.bytes
        assert self.store.put(response) is fits
        if not fits:
            return
        self.model.append((response, self.clock.now + LIMITS.seconds))
        while len(held := self.living()) > LIMITS.count or reckoned(held) > LIMITS.bytes:
            self.model.pop(0)

    @precondition(lambda self: self.ids)
    @rule(owner=st.sampled_from(OWNERS), data=st.data())
    def get(self, owner: str, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(self.ids))
        found = [each for each in self.living() if (each.id, each.owner) == (id_, owner)]
        assert self.store.get(id_, owner) is (found[0] if found else None)

    @precondition(lambda self: self.ids)
    @rule(owner=st.sampled_from(OWNERS), data=st.data())
    def delete(self, owner: str, data: st.DataObject) -> None:
        id_ = data.draw(st.sampled_from(self.ids))
        found = [each for each in self.living() if (each.id, each.owner) == (id_, owner)]
        assert self.store.delete(id_, owner) is bool(found)
        self.model = [each for each in self.model if each[0] not in found]

    @rule(seconds=st.floats(0, 6))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        # Used, so that what is too old goes.
        assert self.store.get("none", "ann") is None

    @invariant()
    def reckoning(self) -> None:
        held = self.living()
        assert len(self.store) == len(held)
        assert self.store.bytes == reckoned(held) <= LIMITS.bytes


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_a_conversation_costs_its_words_once():
    store = ResponseStore(StoreLimits())
    turns = tuple(turn(10_000) for _ in range(20))
    for length in range(1, 21):
        store.put(kept(f"r{length}", *turns[:length]))
    assert store.bytes < 20 * (10_000 + 3 * OVERHEAD_BYTES)


def test_what_was_said_survives_in_what_followed():
    store = ResponseStore(StoreLimits())
    first, second = turn(), turn()
    store.put(kept("a", first))
    store.put(kept("b", first, second))
    assert store.delete("a", "ann")
    assert store.get("a", "ann") is None
    assert store.get("b", "ann").turns == (first, second)
    assert store.get("b", "ann").own is second


def test_a_response_too_large_drives_nobody_out():
    store = ResponseStore(LIMITS)
    store.put(kept("a"))
    assert not store.put(kept("b", turn(9000)))
    assert store.get("a", "ann")


@pytest.mark.parametrize("limits", [{"count": 0}, {"bytes": 0}, {"seconds": 0.0}])
def test_a_store_of_nothing_keeps_nothing(limits: dict[str, float]):
    store = ResponseStore(StoreLimits(**limits))
    assert not store.enabled
    assert not store.put(kept("a"))
    assert store.get("a", "ann") is None


def test_threads_may_use_it_together():
    store = ResponseStore(StoreLimits(count=10, bytes=20_000))

    def use(worker: int) -> None:
        chain: tuple[Turn, ...] = ()
        for number in range(200):
            chain = (*chain[-3:], turn(number))
            store.put(kept(f"{worker}-{number}", *chain, owner=str(worker)))
            store.get(f"{worker}-{number - 1}", str(worker))
            store.delete(f"{worker}-{number - 2}", str(worker))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, range(8)))
    held = [found for w in range(8) for n in range(200) if (found := store.get(f"{w}-{n}", str(w)))]
    assert len(store) == len(held) <= 10
    assert store.bytes == reckoned(held) <= 20_000
