"""What is computed once need not be computed again: by the scheduler over a fake runner, which
refuses a token that is missing or computed twice.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.worker.messages import Accepted
from server.worker.radix import pack
from server.worker.reuse import GRID
from server.worker.shelf import Record
from tests.worker.fake_runner import Desk, answer
from tests.worker.memory_shelf import MemoryShelf

ROOM = 1 << 20
SYSTEM = [(place * 7) % 900 for place in range(100)]


def desk(**more: object) -> Desk:
    return Desk(**{"slots": 4, "batch_tokens": 64, "snapshot_bytes": ROOM} | more)


def user(number: int, length: int = 20) -> list[int]:
    return [900 + number, *((number * 13 + place) % 900 for place in range(length - 1))]


def computed(desk: Desk) -> int:
    """Prompt tokens that the runner had to compute."""
    return sum(batch.prompt_tokens for batch in desk.runner.batches)


def run(desk: Desk, request: int, prompt: list[int], **fields: object) -> int:
    """Answer one request, correctly; its cached tokens."""
    assert isinstance(desk.submit(request, prompt, 4, **fields), Accepted)
    desk.finish()
    assert desk.tokens[request] == answer(prompt, 4)
    return desk.ended[request].cached_tokens


def test_the_next_turn_computes_only_what_is_new() -> None:
    chat = desk()
    first = SYSTEM + user(1)
    assert run(chat, 1, first) == 0
    second = first + user(2)
    assert run(chat, 2, second) == len(first)
    assert run(chat, 3, second + user(3)) == len(second)
    assert computed(chat) == len(second) + 20


def test_the_same_prompt_again_computes_one_token() -> None:
    again = desk()
    prompt = SYSTEM + user(1)
    run(again, 1, prompt)
    assert run(again, 2, prompt) == len(prompt) - 1
    assert computed(again) == len(prompt) + 1


def test_a_slot_that_cannot_be_trimmed_starts_from_a_shorter_snapshot() -> None:
    again = desk()
    again.runner.trims = False
    prompt = SYSTEM + user(1)
    run(again, 1, prompt, boundaries=[len(SYSTEM)])
    assert run(again, 2, prompt, boundaries=[len(SYSTEM)]) == len(SYSTEM)


def test_another_chat_shares_the_system_prompt() -> None:
    shared = desk()
    run(shared, 1, SYSTEM + user(1), boundaries=[len(SYSTEM)])
    assert run(shared, 2, SYSTEM + user(2), boundaries=[len(SYSTEM)]) == len(SYSTEM)
    assert computed(shared) == len(SYSTEM) + 2 * 20


def test_a_long_prompt_is_shared_wherever_others_part_from_it() -> None:
    shared = desk()
    document = [place % 877 for place in range(3 * GRID)]
    run(shared, 1, document + user(1))
    shared.runner.trims = False
    assert run(shared, 2, document[: 2 * GRID + 50] + user(2)) == 2 * GRID


def test_salts_keep_requests_apart() -> None:
    apart = desk()
    prompt = SYSTEM + user(1)
    run(apart, 1, prompt, salt=b"a")
    assert run(apart, 2, prompt, salt=b"b") == 0
    assert run(apart, 3, prompt, salt=b"a") == len(prompt) - 1


def test_nothing_is_kept_of_prompts_too_short_or_without_a_budget() -> None:
    short = desk()
    run(short, 1, [1] * 15)
    assert short.runner.snapshots == 0
    without = desk(snapshot_bytes=0)
    run(without, 1, SYSTEM, boundaries=[50])
    assert run(without, 2, SYSTEM) == 0
    assert without.runner.snapshots == 0


def test_boundaries_beyond_the_prompt_are_ignored() -> None:
    odd = desk()
    assert run(odd, 1, SYSTEM, boundaries=[-5, 0, 3, 100, 101, 10**9]) == 0
    assert odd.runner.snapshots == 1


def test_a_snapshot_that_does_not_restore_is_forgotten() -> None:
    broken = desk()
    path = pack(SYSTEM)
    data = pack([-1] * 100)
    assert broken.store.reserve(len(data))
    broken.store.add(Record(b"", path, len(data)), data)
    assert run(broken, 1, SYSTEM + user(1)) == 0
    assert not broken.store.holds(b"", path)


def test_what_fits_no_budget_is_computed_every_time() -> None:
    small = desk(snapshot_bytes=100)
    small.runner.trims = False
    for request in (1, 2):
        assert run(small, request, SYSTEM) == 0
    assert small.runner.snapshots == 0


def test_a_failed_batch_is_computed_whole_and_not_counted_as_cached() -> None:
    failing = desk()
    run(failing, 1, SYSTEM)
    for request, number in ((2, 1), (3, 2)):
        failing.submit(request, SYSTEM + user(number), 4)
    failing.runner.broken = 1
    failing.finish()
    for request, number in ((2, 1), (3, 2)):
        assert failing.tokens[request] == answer(SYSTEM + user(number), 4)
        assert failing.ended[request].cached_tokens == 0


def test_counters_tell_hits_by_tier() -> None:
    shelf = MemoryShelf(ROOM)
    first = desk(shelf=shelf)
    run(first, 1, SYSTEM)
    run(first, 2, SYSTEM + user(1))
    shelf.close()
    second = desk(shelf=shelf)
    assert run(second, 1, SYSTEM + user(2)) == len(SYSTEM)
    second.submit(2, SYSTEM, 1)
    while not second.scheduler.idle:
        batch = second.scheduler.plan()
        second.scheduler.advance(batch, second.runner.run(batch))
    step = second.scheduler.report()
    assert step is not None
    assert step.prefixes is not None
    assert (step.prefixes.disk_hits, step.prefixes.memory_hits, step.prefixes.misses) == (1, 1, 0)
    assert step.prefixes.tokens == len(SYSTEM) + len(SYSTEM) - 1


# --- in the slots --------------------------------------------------------------------------------


def test_an_answer_that_is_gone_on_from_is_not_computed_again() -> None:
    chat = desk()
    first = SYSTEM + user(1)
    run(chat, 1, first)
    # The last token was drawn, not computed.
    second = first + answer(first, 4)[:-1]
    assert run(chat, 2, second + user(2)) == len(second)


def test_a_slot_serves_whoever_has_most_in_common_with_it() -> None:
    chats = desk()
    for number in (1, 2, 3):
        chats.submit(number, user(number, 50), 4)
    chats.finish()
    for number in (3, 1, 2):
        prompt = user(number, 50) + answer(user(number, 50), 4)[:2]
        assert run(chats, 10 + number, prompt + user(9)) == 52
    assert chats.prefixes.slot_hits == 3


def test_a_cancelled_prompt_goes_on_where_it_stopped() -> None:
    chat = desk(batch_tokens=64)
    chat.submit(1, SYSTEM + user(1), 4)
    chat.step()
    chat.scheduler.cancel(1)
    assert run(chat, 2, SYSTEM + user(2)) == 64


def test_others_get_nothing_of_what_a_key_left_in_a_slot() -> None:
    chat = desk(slots=1)
    run(chat, 1, SYSTEM, salt=b"a")
    assert run(chat, 2, SYSTEM, salt=b"b") == 0


def test_what_a_failed_request_left_is_not_used() -> None:
    failing = desk()
    failing.runner.broken = 2
    failing.submit(1, SYSTEM, 4)
    failing.finish()
    assert failing.ended[1].reason == "failed"
    failing.runner.broken = 0
    assert run(failing, 2, SYSTEM) == 0


def test_new_chats_leave_those_of_others_in_their_slots() -> None:
    chats = desk(slots=3)
    for number in (1, 2, 3):
        run(chats, number, user(number, 50))
    # All slots hold something: the one that was left longest ago is given up.
    run(chats, 4, user(4, 50))
    chats.runner.snapshots = 0
    later = [user(number, 50) + answer(user(number, 50), 4)[:3] + user(9) for number in (2, 3, 4)]
    assert [run(chats, 10 + n, prompt) for n, prompt in enumerate(later)] == [53, 53, 53]


# --- while it is being computed ------------------------------------------------------------------


@pytest.mark.parametrize("boundaries", [[], [len(SYSTEM)]], ids=["found", "told"])
def test_many_with_one_new_prefix_compute_it_once(boundaries: list[int]) -> None:
    shared = desk()
    prompts = {n: SYSTEM + user(n) for n in range(4)}
    for request, prompt in prompts.items():
        shared.submit(request, prompt, 4, boundaries=boundaries)
    shared.finish()
    assert computed(shared) == len(SYSTEM) + 4 * 20
    for request, prompt in prompts.items():
        assert shared.tokens[request] == answer(prompt, 4)
    cached = sorted(end.cached_tokens for end in shared.ended.values())
    assert cached == [0, 100, 100, 100]


def test_many_with_one_new_prompt_compute_it_once() -> None:
    shared = desk()
    for request in range(4):
        shared.submit(request, SYSTEM, 4)
    shared.finish()
    assert computed(shared) == len(SYSTEM) + 3
    assert all(tokens == answer(SYSTEM, 4) for tokens in shared.tokens.values())


def test_one_that_comes_in_the_middle_waits_for_the_rest() -> None:
    shared = desk(batch_tokens=32)
    shared.submit(1, SYSTEM + user(1), 4)
    shared.step()
    shared.submit(2, SYSTEM + user(2), 4)
    shared.finish()
    assert computed(shared) == len(SYSTEM) + 2 * 20
    assert shared.ended[2].cached_tokens == len(SYSTEM)


def test_other_salts_do_not_wait() -> None:
    apart = desk()
    apart.submit(1, SYSTEM, 1, salt=b"a")
    apart.submit(2, SYSTEM, 1, salt=b"b")
    apart.finish()
    assert computed(apart) == 2 * len(SYSTEM)


def test_little_in_common_is_not_waited_for() -> None:
    apart = desk()
    for request in (1, 2):
        apart.submit(request, SYSTEM[:20] + user(request, 44), 1)
    apart.finish()
    assert [len(batch.spans) for batch in apart.runner.batches][:1] == [1]
    assert computed(apart) == 128
    assert apart.ended[2].cached_tokens == 0


def test_those_who_wait_take_over_when_the_first_is_cancelled() -> None:
    shared = desk(batch_tokens=16)
    for request in range(3):
        shared.submit(request, SYSTEM + user(request), 4)
    shared.step()
    shared.scheduler.cancel(0)
    shared.finish()
    assert shared.ended[0].reason == "cancelled"
    for request in (1, 2):
        assert shared.tokens[request] == answer(SYSTEM + user(request), 4)
    assert computed(shared) == 16 + len(SYSTEM) + 2 * 20


def test_those_who_wait_take_over_when_the_first_fails() -> None:
    shared = desk(batch_tokens=16)
    shared.runner.poison = {901}
    for request, number in ((1, 1), (2, 2), (3, 3)):
        shared.submit(request, user(number, 1) + SYSTEM, 4)
    shared.submit(4, [*SYSTEM, 901], 4)
    shared.submit(5, SYSTEM + user(5), 4)
    shared.finish()
    assert {n for n, end in shared.ended.items() if end.reason == "failed"} == {1, 4}
    assert shared.tokens[5] == answer(SYSTEM + user(5), 4)


def test_one_that_waits_can_be_cancelled() -> None:
    shared = desk(batch_tokens=16)
    for request in range(2):
        shared.submit(request, SYSTEM, 4)
    shared.step()
    shared.scheduler.cancel(1)
    shared.finish()
    assert shared.ended[1].reason == "cancelled"
    assert shared.tokens == {0: answer(SYSTEM, 4)}


def test_those_who_wait_go_on_alone_when_no_snapshot_can_be_kept() -> None:
    shared = desk(snapshot_bytes=100)
    for request in range(3):
        shared.submit(request, SYSTEM, 4)
    shared.finish()
    assert all(tokens == answer(SYSTEM, 4) for tokens in shared.tokens.values())


# --- running streams -----------------------------------------------------------------------------


def test_a_copy_that_takes_longer_than_the_stall_budget_is_not_made() -> None:
    slow = desk(max_stall_s=0.5)
    slow.runner.copy_s = 0.01
    # Alone nobody is kept waiting: the copy is made, and shows how slow copies are here.
    run(slow, 1, SYSTEM)
    slow.submit(2, user(2), 60)
    slow.step()
    slow.submit(3, user(3, 200), 1)
    before = slow.runner.snapshots
    longest = 0.0
    while 3 not in slow.ended:
        started = slow.clock.now
        slow.step()
        longest = max(longest, slow.clock.now - started)
    slow.finish()
    assert slow.runner.snapshots == before
    assert longest <= 0.5


def test_a_file_is_not_read_while_it_would_stall_streams() -> None:
    shelf = MemoryShelf(ROOM)
    run(desk(shelf=shelf), 1, SYSTEM)
    shelf.close()
    busy = desk(shelf=shelf, max_stall_s=1e-9)
    busy.runner.trims = False
    busy.submit(1, user(1), 60)
    busy.step()
    busy.submit(2, SYSTEM + user(2), 1)
    busy.finish()
    assert shelf.reads == 0
    assert run(busy, 3, SYSTEM + user(3)) == len(SYSTEM)
    assert shelf.reads == 1


# --- in any order --------------------------------------------------------------------------------

PARTS = st.lists(st.integers(0, 3), min_size=1, max_size=4)
ASKS = st.lists(
    st.tuples(PARTS, st.integers(1, 8), st.integers(0, 5), st.booleans(), st.booleans()),
    min_size=1,
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(ASKS, st.integers(100, 3000), st.integers(8, 64))
def test_answers_are_as_if_nothing_were_kept(
    asks: list[tuple[list[int], int, int, bool, bool]], room: int, batch_tokens: int
) -> None:
    shelf = MemoryShelf(2 * room)
    shared = desk(slots=3, batch_tokens=batch_tokens, snapshot_bytes=room, shelf=shelf)
    shared.runner.seconds = lambda streams, prompt: 0.1 * streams + 0.05 * prompt
    expected = {}
    for request, (parts, count, steps, cancelled, told) in enumerate(asks):
        prompt = [token for part in parts for token in user(part, 40)]
        expected[request] = answer(prompt, count)
        shared.submit(request, prompt, count, boundaries=[40] if told else [])
        for _ in range(steps):
            shared.step()
        shelf.work()
        if cancelled:
            shared.scheduler.cancel(request)
    shared.finish()
    for request, tokens in expected.items():
        told = shared.tokens.get(request, [])
        assert told == tokens[: len(told)]
        assert shared.ended[request].reason == "cancelled" or told == tokens
