"""What systemd is told of the server at every beat: how far it is, that it is ready, that it lives.

Knows what the engines say of themselves, not how systemd is reached nor when the next beat is.
"""

import time
from collections.abc import Callable, Iterator

from server.core.ports import EngineStatus
from server.registry.registry import Registry
from server.service.notify import Systemd

# A worker that has been silent for so long is not fed for: its own engine should have ended it.
SILENCE_LIMIT_S = 75.0
# While a model is on its way, systemd is asked for so much more time at every beat, as long as
# something was done in the last minutes.
PATIENCE_S = 60.0
STANDSTILL_LIMIT_S = 600.0
# Beyond the time that answers have to finish: for their last words, and for workers to leave.
FAREWELL_S = 30.0


class Presence:
    """Tells what there is to tell at each `beat`. `drain_s`: how long answers have to finish when
    the server ends. `failure`: why the default model is of no use.
    """

    def __init__(
        self,
        registry: Registry,
        systemd: Systemd,
        drain_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._systemd = systemd
        self._clock = clock
        self._ready = False
        self._drain_s = drain_s
        self._ends_at: float | None = None
        self._words = ""
        self._moved_at = clock()

    @property
    def settled(self) -> bool:
        """Whether the default model has been ready, or is of no use."""
        return self._ready or self.failure is not None

    @property
    def failure(self) -> str | None:
        status = self._registry.default().engine.status()
        return status.detail if status.state == "failed" else None

    def beat(self) -> None:
        status = self._registry.default().engine.status()
        self._systemd.tell(
            *self._readiness(status),
            *self._progress(status),
            *self._patience(status),
            *self._life(),
        )

    def reloading(self) -> None:
        """The keys are about to be read again."""
        if self._ready and self._ends_at is None:
            self._systemd.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self) -> None:
        if self._ready and self._ends_at is None:
            self._systemd.tell("READY=1")

    def stopping(self) -> None:
        """The server was told to end, and what runs may go on for a while."""
        self._ends_at = self._clock() + self._drain_s + FAREWELL_S
        self._systemd.tell("STOPPING=1")
        self.beat()

    def _readiness(self, status: EngineStatus) -> Iterator[str]:
        if status.state == "ready" and not self._ready and self._ends_at is None:
            self._ready = True
            yield "READY=1"

    def _progress(self, status: EngineStatus) -> Iterator[str]:
        words = self._describe(status)
        if words != self._words:
            self._words, self._moved_at = words, self._clock()
            yield f"STATUS={words}"

    def _patience(self, status: EngineStatus) -> Iterator[str]:
        now = self._clock()
        if self._ends_at is not None:
            patient = now < self._ends_at
        else:
            moving = now - self._moved_at < STANDSTILL_LIMIT_S
            patient = not self._ready and status.state == "loading" and moving
        if patient:
            yield f"EXTEND_TIMEOUT_USEC={int(PATIENCE_S * 1_000_000)}"

    def _life(self) -> Iterator[str]:
        """That this code runs is the event loop's own sign of life."""
        statuses = [entry.engine.status() for entry in self._registry.served()]
        if all(status.silence_s < SILENCE_LIMIT_S for status in statuses):
            yield "WATCHDOG=1"

    def _describe(self, status: EngineStatus) -> str:
        statuses = [entry.engine.status() for entry in self._registry.served()]
        running = sum(each.running for each in statuses)
        waiting = sum(each.waiting for each in statuses)
        counts = f"{running} running, {waiting} waiting"
        if self._ends_at is not None:
            return f"draining: {counts}"
        if status.state == "ready":
            return f"ready: {counts}"
        name = self._registry.default().name
        detail = f": {status.detail}" if status.detail else ""
        return f"{status.state} {name}{detail}".replace("\n", " ")
