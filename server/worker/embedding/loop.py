"""The loop of a worker that makes embeddings: commands in, read -> plan -> embed, an answer for
every request. Knows neither llama.cpp nor how frames travel.
"""

import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue

from server.worker.embedding.gate import EmbeddingGate
from server.worker.embedding.jobs import Jobs
from server.worker.embedding.messages import Embed, Embedded, EmbedFailed
from server.worker.embedding.ports import EmbeddingRunner, Passage
from server.worker.loop import CLOSED, Watch, arrived
from server.worker.messages import Cancel, Close, Refused
from server.worker.ports import DecodeFailed, DecodeInterrupted
from server.worker.wire import Command, Report

# Text that is tokenised between two batches: some milliseconds' worth.
READ_CHARACTERS = 1 << 16


class EmbeddingLoop:
    """Serves `commands` until Close. `send` takes every report."""

    def __init__(
        self,
        runner: EmbeddingRunner,
        jobs: Jobs,
        gate: EmbeddingGate,
        commands: "SimpleQueue[Command]",
        send: Callable[[Report], None],
        watch: Watch,
    ) -> None:
        self._runner = runner
        self._jobs = jobs
        self._gate = gate
        self._commands = commands
        self._send = send
        self._watch = watch
        self._closed = False

    def run(self) -> None:
        """Serve until Close; every request has ended then."""
        while not self._closed:
            for command in arrived(self._commands, wait=self._jobs.idle):
                self._obey(command)
            self._watch.start(time.monotonic())
            self._step()
            self._watch.rest()

    def _obey(self, command: Command) -> None:
        match command:
            case Embed():
                self._jobs.submit(command)
            case Cancel():
                self._jobs.remove([command.id])
            case Close():
                self._fail(self._jobs.ids(), CLOSED)
                self._closed = True

    def _step(self) -> None:
        try:
            if refused := self._jobs.read(READ_CHARACTERS):
                self._end(refused)
            if batch := self._jobs.plan():
                self._compute(batch)
        # Whatever it is, every request gets an answer, and the worker lives on.
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self._fail(self._jobs.ids(), f"The engine failed: {type(error).__name__}: {error}")

    def _compute(self, batch: Sequence[Passage]) -> None:
        requests = {passage.job for passage in batch}
        try:
            self._watch.begin(self._runner, set(requests))
            if not self._commands.empty():
                # A command that came before the watch began may be the one to heed.
                self._jobs.rewind(batch)
                return
            vectors = self._runner.embed(batch)
        except DecodeInterrupted:
            self._jobs.rewind(batch)
        except DecodeFailed as error:
            self._fail(requests, str(error))
        else:
            for answer in self._jobs.advance(batch, vectors):
                self._end(answer)
        finally:
            self._watch.end()

    def _fail(self, requests: Iterable[int], message: str) -> None:
        """End these requests, which are inside, with this reason."""
        requests = list(requests)
        self._jobs.remove(requests)
        for request in requests:
            self._end(EmbedFailed(id=request, message=message))

    def _end(self, report: Embedded | EmbedFailed | Refused) -> None:
        self._gate.leave(report.id)
        self._send(report)
