"""The loop answers every request once, whatever happens to the computation."""

from collections.abc import Sequence
from queue import SimpleQueue

import pytest

from server.worker.embedding.gate import EmbeddingGate, EmbeddingLimits
from server.worker.embedding.jobs import Jobs
from server.worker.embedding.loop import EmbeddingLoop
from server.worker.embedding.messages import Embed, Embedded, EmbedFailed
from server.worker.embedding.ports import Passage
from server.worker.loop import CLOSED, Watch
from server.worker.messages import Accepted, Cancel, Close, Refused
from server.worker.ports import DecodeFailed, DecodeInterrupted
from server.worker.wire import Command, Report
from tests.worker.embedding.fake_embedder import LIMITS, FakeEmbedder, embed, vector_of

GATE = EmbeddingLimits(queue_limit=50, vocabulary_size=2**21, width=8, text_bytes=1000)


class Bench:
    """A loop whose commands are there from the start, or come while a batch is computed: `during`
    says which, by the number of the batch. It is closed when every request has its answer.
    """

    def __init__(self, during: dict[int, list[Command]] | None = None) -> None:
        self.reports: list[Report] = []
        self.runner = FakeEmbedder(self._computing)
        self.failures: dict[int, Exception] = {}
        self.gate = EmbeddingGate(GATE)
        self._during = dict(during or {})
        self._commands: SimpleQueue[Command] = SimpleQueue()
        self._watch = Watch()
        self._open: set[int] = set()

    def run(self, *commands: Command) -> None:
        for command in commands:
            self._take(command)
        jobs = Jobs(self.runner, LIMITS)
        EmbeddingLoop(self.runner, jobs, self.gate, self._commands, self._send, self._watch).run()

    def ended(self, number: int) -> Report:
        (report,) = (each for each in self.reports if each.id == number)
        return report

    def _computing(self, _passages: Sequence[Passage]) -> None:
        number = len(self.runner.batches)
        for command in self._during.pop(number, []):
            self._take(command)
        if self.runner.interrupted:
            raise DecodeInterrupted("interrupted")
        if failure := self.failures.pop(number, None):
            raise failure

    def _send(self, report: Report) -> None:
        self.reports.append(report)
        self._open.remove(report.id)
        if not self._open:
            self._commands.put(Close())

    def _take(self, command: Command) -> None:
        if isinstance(command, Embed):
            assert self.gate.enter(command) == Accepted(id=command.id)
            self._open.add(command.id)
        elif isinstance(command, Cancel):
            self.gate.leave(command.id)
            self._open.remove(command.id)
        self._commands.put(command)
        self._watch.notice(command)


def answer(number: int, *texts: str) -> Embedded:
    tokens = [[*map(ord, text), 0] for text in texts]
    return Embedded(
        id=number, vectors=[vector_of(each) for each in tokens], tokens=[len(t) for t in tokens]
    )


def test_requests_are_answered_and_a_close_ends_it() -> None:
    bench = Bench()
    bench.run(embed(1, "ab", "cd"))
    assert bench.reports == [answer(1, "ab", "cd")]
    # It has left: its id is free again.
    assert bench.gate.enter(embed(1, "a")) == Accepted(id=1)


def test_a_close_fails_what_waits() -> None:
    bench = Bench()
    bench.run(embed(1, "ab"), embed(2, "x"), Close())
    assert bench.reports == [EmbedFailed(id=n, message=CLOSED) for n in (1, 2)]
    assert bench.runner.batches == []


def test_an_input_that_does_not_fit_is_refused_and_the_others_are_not() -> None:
    bench = Bench({1: [embed(3, "late")]})
    bench.run(embed(1, "x" * 30), embed(2, "ab"))
    refused = bench.ended(1)
    assert isinstance(refused, Refused)
    assert refused.kind == "context_too_long"
    assert bench.ended(2) == answer(2, "ab")
    assert bench.ended(3) == answer(3, "late")


def test_a_cancel_in_the_middle_of_a_batch_interrupts_it() -> None:
    bench = Bench({1: [Cancel(id=1), embed(2, "ab")]})
    bench.run(embed(1, "never"))
    assert bench.reports == [answer(2, "ab")]
    assert [batch[0].job for batch in bench.runner.batches] == [1, 2]


def test_a_cancel_of_one_of_two_interrupts_nothing() -> None:
    bench = Bench({1: [Cancel(id=1)]})
    bench.run(embed(1, *["never"] * 9), embed(2, "ab", "x" * 12))
    assert bench.ended(2) == answer(2, "ab", "x" * 12)
    assert not any(report.id == 1 for report in bench.reports)


def test_a_failed_batch_fails_its_own_requests_only() -> None:
    bench = Bench()
    bench.failures[1] = DecodeFailed("no memory")
    bench.run(embed(1, "x" * 15), embed(2, "y" * 15))
    assert len(bench.runner.batches[0]) == 1
    failed = bench.runner.batches[0][0].job
    assert bench.ended(failed) == EmbedFailed(id=failed, message="no memory")
    assert isinstance(bench.ended(3 - failed), Embedded)


def test_what_nobody_foresaw_is_an_answer_too(capsys: pytest.CaptureFixture[str]) -> None:
    bench = Bench()
    bench.failures[1] = ZeroDivisionError("by zero")
    bench.run(embed(1, "ab"), embed(2, "cd"), embed(3, *["ef"] * 5))
    messages = {report.message for report in bench.reports if isinstance(report, EmbedFailed)}
    assert "The engine failed: ZeroDivisionError: by zero" in messages
    assert {report.id for report in bench.reports} == {1, 2, 3}
    assert "Traceback" in capsys.readouterr().err
