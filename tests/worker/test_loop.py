"""The loop with a runner that needs no model: commands in, reports out, and nothing lost."""

from threading import Event, Thread

import pytest

from server.worker.admission import Limits
from server.worker.gate import Gate
from server.worker.loop import CLOSED, REPORT_INTERVAL_S, STEP_LIMIT_S, Loop
from server.worker.messages import Accepted, Cancel, Close, Ended, Refused, Step
from server.worker.ports import Batch
from server.worker.prefix_store import PrefixStore
from server.worker.reception import Reception
from server.worker.scheduler import Scheduler
from server.worker.shelf import NoShelf
from server.worker.wire import Command, Report
from tests.worker.fake_runner import VOCABULARY, Clock, FakeRunner, answer, submission

LIMITS = Limits(
    slots=4, context_length=512, vocabulary_size=VOCABULARY, queue_limit=8, max_stall_s=0.7
)


class Bench:
    """A loop with its queue, and what it sent."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.runner = FakeRunner(slots=4, batch_tokens=64, clock=self.clock)
        self.sent: list[Report] = []
        self.reception = Reception(self.sent.append, pytest.fail)
        self.commands, self.watch = self.reception.commands, self.reception.watch
        gate = Gate(LIMITS, self.clock)
        self.reception.open(gate)
        store = PrefixStore(0, NoShelf())
        scheduler = Scheduler(self.runner, LIMITS, gate, store, self.clock)
        self.loop = Loop(
            scheduler, self.runner, self.commands, self.sent.append, self.watch, self.clock
        )

    def put(self, *commands: Command) -> None:
        """As the reading thread does."""
        for command in commands:
            self.reception.take(command)

    def close_when_all_ended(self, count: int) -> None:
        """Close after this many requests have ended."""

        def send(report: Report) -> None:
            self.sent.append(report)
            if len(self.ended) == count:
                self.commands.put(Close())

        self.loop._send = send

    @property
    def steps(self) -> list[Step]:
        return [report for report in self.sent if isinstance(report, Step)]

    @property
    def ended(self) -> dict[int, Ended]:
        return {end.id: end for step in self.steps for end in step.ended}

    def tokens(self, request: int) -> list[int]:
        return [t.token for step in self.steps for t in step.tokens if t.id == request]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_requests_are_accepted_answered_and_ended(bench: Bench) -> None:
    bench.put(submission(1, [1, 2], 6), submission(2, [3], 4), submission(3, [], 4))
    bench.close_when_all_ended(2)
    bench.loop.run()
    assert bench.sent[:2] == [Accepted(id=1), Accepted(id=2)]
    assert isinstance(bench.sent[2], Refused)
    assert bench.tokens(1) == answer([1, 2], 6)
    assert bench.tokens(2) == answer([3], 4)


def test_close_ends_everything(bench: Bench) -> None:
    bench.put(submission(1, [1], 100), submission(2, [2], 100), Close())
    bench.loop.run()
    assert {end.reason for end in bench.ended.values()} == {"failed"}
    assert {end.message for end in bench.ended.values()} == {CLOSED}
    assert bench.runner.slots == [None] * 4


def test_cancel_takes_effect_before_the_next_step(bench: Bench) -> None:
    def cancel_after_three(_batch: Batch) -> None:
        if len(bench.runner.batches) == 3:
            bench.put(Cancel(id=1))

    bench.runner.on_run = cancel_after_three
    bench.put(submission(1, [1], 100))
    bench.close_when_all_ended(1)
    bench.loop.run()
    assert bench.ended[1].reason == "cancelled"
    assert bench.tokens(1) == answer([1], 3)


def test_an_unexpected_error_ends_its_requests_and_the_loop_lives_on(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_second(_batch: Batch) -> None:
        if len(bench.runner.batches) == 2:
            bench.put(submission(2, [5], 3))
            raise ZeroDivisionError("by a bug")

    bench.runner.on_run = break_second
    bench.put(submission(1, [1], 10))
    bench.close_when_all_ended(2)
    bench.loop.run()
    assert bench.ended[1].reason == "failed"
    assert "ZeroDivisionError: by a bug" in bench.ended[1].message
    assert bench.tokens(2) == answer([5], 3)
    assert "Traceback" in capsys.readouterr().err


def test_an_error_while_admitting_ends_what_is_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_slot: int, _sampler: object) -> None:
        raise MemoryError

    monkeypatch.setattr(bench.runner, "occupy", refuse)
    bench.put(submission(1, [1], 10))
    bench.close_when_all_ended(1)
    bench.loop.run()
    assert "MemoryError" in bench.ended[1].message


def test_a_failed_decode_is_told_as_such(bench: Bench) -> None:
    bench.runner.broken = 1
    bench.put(submission(1, [1], 10))
    bench.close_when_all_ended(1)
    bench.loop.run()
    assert bench.ended[1].message == "the batch was bad"


def test_quick_steps_share_a_frame(bench: Bench) -> None:
    bench.runner.seconds = lambda _streams, _prompt: REPORT_INTERVAL_S / 10
    bench.put(submission(1, [1], 30))
    bench.close_when_all_ended(1)
    bench.loop.run()
    assert bench.tokens(1) == answer([1], 30)
    assert 3 <= len(bench.steps) <= 5


def test_slow_steps_have_a_frame_each(bench: Bench) -> None:
    bench.runner.seconds = lambda _streams, _prompt: REPORT_INTERVAL_S * 2
    bench.put(submission(1, [1], 10))
    bench.close_when_all_ended(1)
    bench.loop.run()
    assert [len(step.tokens) for step in bench.steps] == [1] * 10


def test_nothing_waits_for_a_step_that_may_be_long(bench: Bench) -> None:
    told: list[int] = []

    def look(batch: Batch) -> None:
        if batch.streams and not batch.prompt_tokens and len(bench.runner.batches) == 3:
            bench.put(submission(2, [2] * 30, 2))
        if batch.streams and batch.prompt_tokens:
            told.append(len(bench.tokens(1)) - (len(bench.runner.batches) - 1))

    bench.runner.on_run = look
    bench.put(submission(1, [1], 40))
    bench.close_when_all_ended(2)
    bench.loop.run()
    assert told
    assert set(told) == {0}


# --- interrupting a computation that nobody wants any more ---------------------------------------


def run_interrupted(bench: Bench, *arriving: Command) -> None:
    """Run the loop; in the first computation these commands arrive."""

    def arrive(_batch: Batch) -> None:
        if len(bench.runner.batches) == 1:
            bench.put(*arriving)

    bench.runner.on_run = arrive
    bench.loop.run()


def test_a_prompt_that_is_cancelled_is_interrupted(bench: Bench) -> None:
    bench.put(submission(1, [1] * 60, 10))
    bench.close_when_all_ended(1)
    run_interrupted(bench, Cancel(id=1))
    assert bench.ended[1].reason == "cancelled"
    assert len(bench.runner.batches) == 1
    assert bench.runner.interruptions == 1
    assert not bench.runner.interrupted


def test_a_prompt_that_shares_its_batch_is_not_interrupted(bench: Bench) -> None:
    bench.put(submission(1, [1] * 20, 10), submission(2, [2] * 20, 4))
    bench.close_when_all_ended(2)
    run_interrupted(bench, Cancel(id=1), Cancel(id=77))
    assert bench.ended[1].reason == "cancelled"
    assert bench.tokens(2) == answer([2] * 20, 4)
    assert bench.runner.interruptions == 0


def test_close_interrupts_whatever_is_computed(bench: Bench) -> None:
    bench.put(submission(1, [1] * 60, 10), submission(2, [1] * 60, 10))
    run_interrupted(bench, Close())
    assert len(bench.runner.batches) == 1
    assert bench.runner.interruptions == 1
    assert bench.ended.keys() == {1, 2}


def test_a_cancel_that_came_before_the_computation_is_heeded_first(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = bench.watch.begin

    def begin_late(*arguments: object) -> None:
        monkeypatch.setattr(bench.watch, "begin", begin)
        bench.put(Cancel(id=1))
        begin(*arguments)

    monkeypatch.setattr(bench.watch, "begin", begin_late)
    bench.put(submission(1, [1] * 60, 10))
    bench.close_when_all_ended(1)
    bench.loop.run()
    assert bench.runner.batches == []
    assert bench.ended[1].reason == "cancelled"


def test_a_step_that_does_not_end_is_seen_and_one_that_ended_is_not(bench: Bench) -> None:
    seen: list[bool] = []

    def long(_batch: Batch) -> None:
        bench.clock.now += STEP_LIMIT_S + 1
        seen.append(bench.watch.hangs(bench.clock()))

    bench.runner.on_run = long
    bench.put(submission(1, [1, 2], 2))
    bench.close_when_all_ended(1)
    bench.loop.run()
    assert seen == [True, True]
    assert not bench.watch.hangs(bench.clock())


def test_an_idle_loop_waits_for_commands(bench: Bench) -> None:
    first_end = Event()
    bench.loop._send = lambda report: (
        bench.sent.append(report),
        first_end.set() if bench.ended else None,
    )
    thread = Thread(target=bench.loop.run)
    thread.start()
    bench.put(submission(1, [1], 2))
    assert first_end.wait(10)
    batches = len(bench.runner.batches)
    bench.put(submission(2, [2], 2), Close())
    thread.join(10)
    assert not thread.is_alive()
    assert batches == 2
