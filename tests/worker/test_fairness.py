"""Who runs before whom: between keys in turn, among prompts the quickest first but nobody passed by
for ever, and nobody let in who would wait too long.
"""

from collections import Counter
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.worker.admission import Limits
from server.worker.gate import Gate
from server.worker.messages import Accepted, Refused
from server.worker.queue import Queue
from server.worker.sequence import Sequence
from tests.worker.fake_runner import VOCABULARY, Clock, Desk, submission

A, B, C = b"a", b"b", b"c"


def prompt_of(first: int, length: int) -> list[int]:
    return [first] + [9] * (length - 1)


# --- between keys --------------------------------------------------------------------------------


def test_keys_take_turns_however_much_one_of_them_asks() -> None:
    desk = Desk(slots=1)
    for request in range(6):
        desk.submit(request, [request], 2, owner=A)
    desk.submit(10, [10], 2, owner=B)
    desk.submit(20, [20], 2, owner=C)
    desk.finish()
    assert list(desk.ended)[:4] == [0, 10, 20, 1]


def test_the_key_with_the_fewest_running_comes_first() -> None:
    desk = Desk(slots=3)
    for request in range(3):
        desk.submit(request, [request], 2 + 5 * request, owner=A)
    desk.step()
    desk.submit(3, [3], 2, owner=A)
    desk.submit(10, [10], 1, owner=B)
    desk.submit(11, [11], 1, owner=B)
    desk.finish()
    # One place is free after the second step: B has none running, then as many as it waits for.
    order = list(desk.ended)
    assert order.index(10) < order.index(11) < order.index(3)


def test_a_key_never_holds_more_than_its_share() -> None:
    desk = Desk(slots=4, owner_slots=2)
    for request in range(6):
        desk.submit(request, [request], 3, owner=A)
    desk.submit(10, [10], 3, owner=B)
    most: Counter[bytes] = Counter()
    desk.runner.on_run = lambda _batch: most.update(
        {len(desk.scheduler.requests(_batch) & set(range(6))): 1}
    )
    desk.finish()
    assert max(most) == 2
    assert set(desk.ended) == {0, 1, 2, 3, 4, 5, 10}


@given(
    st.lists(st.tuples(st.sampled_from([A, B, C]), st.booleans()), max_size=40),
    st.sampled_from([None, 1, 2]),
)
def test_everybody_gets_a_turn_in_the_order_of_their_line(
    moves: list[tuple[bytes, bool]], owner_slots: int | None
) -> None:
    queue, running = Queue(owner_slots), Counter[bytes]()
    lines: dict[bytes, list[int]] = {A: [], B: [], C: []}
    for number, (owner, arrives) in enumerate(moves):
        if arrives:
            queue.put(Sequence(submission(number, [1], owner=owner), 0.0))
            lines[owner].append(number)
        elif taken := queue.first(running):
            queue.serve(taken)
            assert lines[taken.owner].pop(0) == taken.id
            able = [o for o in lines if lines[o] and running[o] < (owner_slots or inf)]
            assert all(running[taken.owner] <= running[other] for other in able)
            running[taken.owner] += 1
        elif running:
            running.subtract({o: 1 for o in running if running[o]})
        assert len(queue) == sum(map(len, lines.values()))


def test_who_leaves_the_queue_is_not_served() -> None:
    queue = Queue(None)
    first, second = (Sequence(submission(n, [1], owner=A), 0.0) for n in (1, 2))
    queue.put(first)
    queue.put(second)
    assert queue.remove(first)
    assert not queue.remove(first)
    assert queue.first({}) is second
    queue.serve(second)
    assert queue.first({}) is None


# --- among prompts -------------------------------------------------------------------------------


def test_a_long_prompt_is_not_passed_by_short_ones_for_ever() -> None:
    """Short prompts keep coming, enough of them to fill every step."""
    desk = Desk(slots=3, batch_tokens=16)
    desk.runner.seconds = lambda _streams, prompt: 0.1 * prompt
    desk.submit(0, prompt_of(0, 200), 1)
    desk.step()
    request = 0
    while 0 not in desk.ended:
        while request - len(desk.ended) < 2:
            request += 1
            desk.submit(request, prompt_of(request, 40), 1)
        desk.step()
        assert desk.clock.now < 100, "the long prompt starves"
    # It takes 20 s alone; waited for as long, it is passed by nobody who comes then.
    assert desk.clock.now < 2.5 * 20


def test_a_short_prompt_still_passes_a_long_one_that_has_just_come() -> None:
    desk = Desk(slots=2, batch_tokens=16)
    desk.runner.seconds = lambda _streams, prompt: 0.1 * prompt
    desk.submit(1, prompt_of(1, 400), 1)
    desk.step()
    desk.submit(2, prompt_of(2, 40), 1)
    desk.finish()
    assert list(desk.ended) == [2, 1]


def test_streams_are_not_held_up_longer_than_allowed_while_prompts_come() -> None:
    desk = Desk(slots=4, batch_tokens=64, max_stall_s=0.7)
    desk.runner.seconds = lambda streams, prompt: 0.1 * streams + 0.05 * prompt
    desk.submit(0, [1], 300)
    desk.step()
    for request in range(1, 20):
        desk.submit(request, prompt_of(request, 30 + 10 * request), 5, owner=bytes([request % 3]))
    began = len(desk.runner.durations)
    desk.finish()
    # Before the first prompt step nothing was known of its price.
    assert max(desk.runner.durations[began + 1 :]) <= 0.7 + 1e-9


def test_steps_that_hold_streams_up_too_long_are_counted() -> None:
    desk = Desk(max_stall_s=0.7)
    seconds = iter([5.0, 0.5, 1.0, 0.5, 1.0])
    desk.runner.on_run = lambda _batch: setattr(desk.clock, "now", desk.clock.now + next(seconds))
    desk.submit(1, [1], 5)
    desk.finish()
    # The first step computed a prompt: nobody was held up.
    assert desk.stalls == 2


# --- at the door ---------------------------------------------------------------------------------


def gate_of(clock: Clock, **limits: object) -> Gate:
    values = {"slots": 2, "queue_limit": 10, "max_stall_s": 1.0, **limits}
    return Gate(Limits(context_length=100, vocabulary_size=VOCABULARY, **values), clock)


def fill(gate: Gate, *owners: bytes, first: int = 0) -> None:
    for number, owner in enumerate(owners):
        assert isinstance(gate.enter(submission(first + number, [1], owner=owner)), Accepted)


def learn(gate: Gate, seconds: float) -> None:
    fill(gate, A, first=1000)
    gate.leave(1000, seconds)


def test_who_would_wait_too_long_is_told_so_at_once() -> None:
    gate = gate_of(Clock(), queue_deadline_s=24)
    learn(gate, 10.0)
    fill(gate, A, A, A, A, A, A)
    refused = gate.enter(submission(99, [1], owner=A))
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.retry_after) == ("busy", 25.0)
    assert "would wait about 25 s" in refused.message
    assert "try again in 25 s" in refused.message


def test_another_key_waits_its_turn_only() -> None:
    gate = gate_of(Clock(), queue_deadline_s=12)
    learn(gate, 10.0)
    fill(gate, A, A, A, A)
    assert isinstance(gate.enter(submission(98, [1], owner=A)), Refused)
    assert isinstance(gate.enter(submission(99, [1], owner=B)), Accepted)


def test_a_key_at_its_share_waits_for_its_own() -> None:
    gate = gate_of(Clock(), slots=8, owner_slots=1, queue_deadline_s=15)
    learn(gate, 10.0)
    fill(gate, A, A)
    refused = gate.enter(submission(99, [1], owner=A))
    assert isinstance(refused, Refused)
    assert refused.retry_after == 20.0
    fill(gate, B, first=50)


def test_before_any_has_ended_the_oldest_one_tells_how_long_it_takes() -> None:
    clock = Clock()
    gate = gate_of(clock, slots=1, queue_limit=1)
    fill(gate, A, A)
    clock.now = 40.0
    refused = gate.enter(submission(99, [1], owner=A))
    assert isinstance(refused, Refused)
    assert refused.retry_after == 80.0


@pytest.mark.parametrize("deadline", [0.001, 1.0, inf])
def test_a_free_place_is_never_refused(deadline: float) -> None:
    gate = gate_of(Clock(), queue_deadline_s=deadline)
    learn(gate, 1000.0)
    fill(gate, A, A)
