"""The worker's one loop: commands in, schedule -> run -> advance, a report a step. Knows neither
llama.cpp nor how frames travel.
"""

import sys
import traceback
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Lock
from typing import Protocol

from server.worker.messages import Cancel, Close, Ping, Submit
from server.worker.ports import Batch, DecodeFailed, DecodeInterrupted, Runner
from server.worker.scheduler import Scheduler
from server.worker.wire import Command, Report

# Steps faster than this share a frame. A frame costs the gateway some 0.2 ms of the cores that the
# model computes on; text that comes 15 ms later nobody notices.
REPORT_INTERVAL_S = 0.015
# A batch of a long prompt takes a slow machine half a minute; ten times that is no computation.
STEP_LIMIT_S = 300.0
CLOSED = "The engine was closed before the answer was complete."


class Interruptible(Protocol):
    """See `ports.Runner`."""

    def interrupt(self) -> None: ...

    def resume(self) -> None: ...


class Watch:
    """Interrupts the running computation when nobody wants its result any more, and knows when one
    does not end. `notice` and `hangs` are called by another thread than the rest.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._runner: Interruptible | None = None
        self._wanted: set[int] = set()
        self._step_began: float | None = None

    def start(self, now: float) -> None:
        """A step begins."""
        self._step_began = now

    def rest(self) -> None:
        """The step is over; the next one may be long in coming."""
        self._step_began = None

    def hangs(self, now: float) -> bool:
        """Whether the step takes longer than any should."""
        began = self._step_began
        return began is not None and now - began > STEP_LIMIT_S

    def begin(self, runner: Interruptible, requests: set[int]) -> None:
        """The runner is about to compute for these requests."""
        with self._lock:
            self._runner, self._wanted = runner, requests

    def notice(self, command: Command) -> None:
        """Look at a command that has just arrived, before its turn comes."""
        with self._lock:
            if self._runner is None:
                return
            if isinstance(command, Cancel):
                self._wanted.discard(command.id)
            elif isinstance(command, Close):
                self._wanted.clear()
            if not self._wanted:
                self._runner.interrupt()

    def end(self) -> None:
        """The computation is over."""
        with self._lock:
            if self._runner is not None:
                self._runner.resume()
            self._runner = None


def arrived(commands: "SimpleQueue[Command]", *, wait: bool) -> Iterator[Command]:
    """All commands that are there; at least one with `wait`, when there is nothing else to do."""
    if wait:
        yield commands.get()
    while not commands.empty():
        yield commands.get()


class Loop:
    """Serves `commands` until Close. `send` takes every report."""

    def __init__(
        self,
        scheduler: Scheduler,
        runner: Runner,
        commands: "SimpleQueue[Command]",
        send: Callable[[Report], None],
        watch: Watch,
        clock: Callable[[], float],
    ) -> None:
        self._scheduler = scheduler
        self._runner = runner
        self._commands = commands
        self._send = send
        self._watch = watch
        self._clock = clock
        self._reported_at = -REPORT_INTERVAL_S
        self._closed = False

    def run(self) -> None:
        """Serve until Close; every request has ended then."""
        while not self._closed:
            for command in arrived(self._commands, wait=self._scheduler.idle):
                self._obey(command)
            self._watch.start(self._clock())
            self._step()
            self._watch.rest()
        self._report()

    def _obey(self, command: Command) -> None:
        match command:
            case Submit():
                self._scheduler.submit(command)
            case Cancel():
                self._scheduler.cancel(command.id)
            case Close():
                self._scheduler.abandon(None, CLOSED)
                self._closed = True
            case Ping():
                # Answered when it came.
                pass

    def _step(self) -> None:
        batch: Batch | None = None
        try:
            batch = self._scheduler.plan()
            if batch is None or batch.prompt_tokens:
                # Nothing may wait for a step that can be long, or that does not come.
                self._report()
            if batch is not None:
                self._compute(batch)
        # Whatever it is, it must not take the other requests along: those it hit end, with the
        # reason, and the worker lives on.
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            message = f"The engine failed: {type(error).__name__}: {error}"
            self._scheduler.abandon(batch, message)
        if self._scheduler.has_ended or self._clock() - self._reported_at >= REPORT_INTERVAL_S:
            self._report()

    def _report(self) -> None:
        if step := self._scheduler.report():
            self._reported_at = self._clock()
            self._send(step)

    def _compute(self, batch: Batch) -> None:
        try:
            if batch.streams:
                # Short by the stall budget: not worth an interruption.
                logits = self._runner.run(batch)
            else:
                self._watch.begin(self._runner, self._scheduler.requests(batch))
                if not self._commands.empty():
                    # A command that came before the watch began may be the one to heed.
                    return
                logits = self._runner.run(batch)
        except DecodeInterrupted:
            self._scheduler.rewind(batch)
        except DecodeFailed as error:
            self._scheduler.fail(batch, str(error))
        else:
            self._scheduler.advance(batch, logits)
        finally:
            if not batch.streams:
                self._watch.end()
