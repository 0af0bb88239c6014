"""Requests are answered when they arrive, whatever the engine is doing."""

from threading import Event, Thread

import pytest

from server.worker.admission import Limits
from server.worker.gate import Gate
from server.worker.loop import STEP_LIMIT_S, Loop
from server.worker.messages import Accepted, Cancel, Close, Ping, Refused
from server.worker.ports import Batch
from server.worker.prefix_store import PrefixStore
from server.worker.reception import Reception
from server.worker.scheduler import Scheduler
from server.worker.shelf import NoShelf
from server.worker.wire import Report
from tests.worker.fake_runner import VOCABULARY, Clock, FakeRunner, submission

LIMITS = Limits(
    slots=2, context_length=512, vocabulary_size=VOCABULARY, queue_limit=1, max_stall_s=0.7
)


@pytest.fixture
def sent() -> list[Report]:
    return []


@pytest.fixture
def reception(sent: list[Report]) -> Reception:
    reception = Reception(sent.append, lambda: pytest.fail("given up"))
    reception.open(Gate(LIMITS, Clock()))
    return reception


def test_only_accepted_requests_are_handed_on(reception: Reception, sent: list[Report]) -> None:
    for request in range(4):
        reception.take(submission(request, [1]))
    reception.take(submission(9, []))
    reception.take(Cancel(id=1))
    assert sent[:3] == [Accepted(id=0), Accepted(id=1), Accepted(id=2)]
    assert [(type(report), report.kind) for report in sent[3:]] == [
        (Refused, "busy"),
        (Refused, "invalid"),
    ]
    handed_on = [reception.commands.get() for _ in range(4)]
    assert [command.id for command in handed_on] == [0, 1, 2, 1]
    assert reception.commands.empty()


def test_a_request_is_accepted_or_refused_in_the_middle_of_a_long_step(
    reception: Reception, sent: list[Report]
) -> None:
    runner = FakeRunner(slots=2, batch_tokens=64, clock=Clock())
    in_the_middle, go_on = Event(), Event()

    def stay(_batch: Batch) -> None:
        in_the_middle.set()
        assert go_on.wait(10)

    runner.on_run = stay
    gate = Gate(LIMITS, Clock())
    reception.open(gate)
    store = PrefixStore(0, NoShelf())
    scheduler = Scheduler(runner, LIMITS, gate, store, Clock())
    loop = Loop(scheduler, runner, reception.commands, sent.append, reception.watch, Clock())
    reception.take(submission(0, [1] * 60))
    thread = Thread(target=loop.run)
    thread.start()
    assert in_the_middle.wait(10)
    for request in (1, 2, 3):
        reception.take(submission(request, [2] * 60))
    # The step has not ended.
    assert sent[:3] == [Accepted(id=0), Accepted(id=1), Accepted(id=2)]
    assert isinstance(sent[3], Refused)
    assert len(runner.batches) == 1
    go_on.set()
    reception.take(Close())
    thread.join(10)
    assert not thread.is_alive()


def test_before_the_model_is_there_requests_are_told_to_come_back(sent: list[Report]) -> None:
    given_up = Event()
    reception = Reception(sent.append, given_up.set)
    reception.take(submission(1, [1]))
    assert isinstance(sent[0], Refused)
    assert sent[0].kind == "busy"
    reception.take(Close())
    assert given_up.is_set()


def test_a_sign_of_life_is_given_while_a_model_is_loaded(sent: list[Report]) -> None:
    reception = Reception(sent.append, lambda: pytest.fail("given up"))
    reception.take(Ping())
    assert sent == [Ping()]
    assert reception.commands.empty()


def test_a_sign_of_life_is_given_in_a_long_step_but_not_in_an_endless_one(
    sent: list[Report],
) -> None:
    clock = Clock()
    reception = Reception(sent.append, lambda: pytest.fail("given up"), clock)
    reception.watch.start(clock())
    clock.now += STEP_LIMIT_S - 1
    reception.take(Ping())
    assert sent == [Ping()]
    clock.now += 2
    reception.take(Ping())
    assert sent == [Ping()]
    reception.watch.rest()
    reception.take(Ping())
    assert sent == [Ping(), Ping()]


def test_who_left_makes_room(sent: list[Report]) -> None:
    gate = Gate(LIMITS, Clock())
    for request in range(3):
        assert gate.enter(submission(request, [1])) == Accepted(id=request)
    assert isinstance(gate.enter(submission(3, [1])), Refused)
    gate.leave(1, None)
    assert gate.enter(submission(3, [1])) == Accepted(id=3)
    gate.leave(0, 10.0)
    assert gate.enter(submission(4, [1])) == Accepted(id=4)
    refused = gate.enter(submission(5, [1]))
    assert isinstance(refused, Refused)
    # One waits already; two slots of 10 s each.
    assert refused.retry_after == 10.0
    assert sent == []
