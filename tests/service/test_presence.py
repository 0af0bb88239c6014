"""What systemd is told, beat by beat."""

from dataclasses import dataclass, field

from server.core.ports import EngineStatus
from server.registry.entries import Entry
from server.registry.registry import Registry
from server.service.notify import Systemd
from server.service.presence import (
    FAREWELL_S,
    PATIENCE_S,
    SILENCE_LIMIT_S,
    STANDSTILL_LIMIT_S,
    Presence,
)
from tests.fakes import ScriptedEngine
from tests.worker.fake_runner import Clock

DRAIN_S = 30.0
EXTENSION = f"EXTEND_TIMEOUT_USEC={int(PATIENCE_S)}000000"


class Listening(Systemd):
    """Remembers what is said instead of sending it."""

    def __init__(self) -> None:
        super().__init__({})
        self.heard: list[str] = []

    def tell(self, *lines: str) -> None:
        self.heard += lines


class Engine(ScriptedEngine):
    """In the state that the test puts it."""

    now = EngineStatus(state="loading")

    def status(self) -> EngineStatus:
        return self.now


@dataclass
class Bench:
    engine: Engine = field(default_factory=Engine)
    systemd: Listening = field(default_factory=Listening)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        registry = Registry([Entry(name="m", engine=self.engine, created=0)], default="m")
        self.presence = Presence(registry, self.systemd, DRAIN_S, self.clock)

    def beat(self, status: EngineStatus) -> list[str]:
        """What is said at the next beat."""
        self.engine.now = status
        self.systemd.heard.clear()
        self.presence.beat()
        return self.systemd.heard


READY = EngineStatus(state="ready")


def test_a_start_from_the_download_to_the_first_request() -> None:
    bench = Bench()
    loading = EngineStatus(state="loading", detail="37% loaded")
    assert bench.beat(loading) == ["STATUS=loading m: 37% loaded", EXTENSION, "WATCHDOG=1"]
    assert bench.beat(loading) == [EXTENSION, "WATCHDOG=1"]
    assert not bench.presence.settled
    assert bench.beat(READY) == ["READY=1", "STATUS=ready: 0 running, 0 waiting", "WATCHDOG=1"]
    assert bench.beat(READY) == ["WATCHDOG=1"]
    busy = EngineStatus(state="ready", running=2, waiting=1)
    assert bench.beat(busy) == ["STATUS=ready: 2 running, 1 waiting", "WATCHDOG=1"]
    assert bench.presence.settled


def test_ready_is_said_once_and_a_new_worker_needs_no_patience() -> None:
    bench = Bench()
    bench.beat(READY)
    again = EngineStatus(state="loading", detail="")
    assert bench.beat(again) == ["STATUS=loading m", "WATCHDOG=1"]
    assert "READY=1" not in bench.beat(READY)


def test_patience_ends_where_nothing_moves() -> None:
    bench = Bench()
    still = EngineStatus(state="loading", detail="37% loaded")
    bench.beat(still)
    bench.clock.now += STANDSTILL_LIMIT_S + 1
    assert bench.beat(still) == ["WATCHDOG=1"]
    moved = EngineStatus(state="loading", detail="38% loaded")
    assert EXTENSION in bench.beat(moved)


def test_a_worker_that_dies_at_each_start_gets_no_more_time() -> None:
    bench = Bench()
    died = EngineStatus(state="restarting", detail="the worker ended: killed by SIGKILL")
    said = bench.beat(died)
    assert said == ["STATUS=restarting m: the worker ended: killed by SIGKILL", "WATCHDOG=1"]


def test_a_silent_worker_is_not_fed_for() -> None:
    bench = Bench()
    bench.beat(READY)
    silent = EngineStatus(state="ready", silence_s=SILENCE_LIMIT_S)
    assert bench.beat(silent) == []
    assert bench.beat(EngineStatus(state="ready", silence_s=4.0)) == ["WATCHDOG=1"]


def test_the_end_takes_the_time_it_takes() -> None:
    bench = Bench()
    bench.beat(READY)
    bench.engine.now = EngineStatus(state="ready", running=3)
    bench.systemd.heard.clear()
    bench.presence.stopping()
    assert bench.systemd.heard == [
        "STOPPING=1",
        "STATUS=draining: 3 running, 0 waiting",
        EXTENSION,
        "WATCHDOG=1",
    ]
    assert bench.beat(bench.engine.now) == [EXTENSION, "WATCHDOG=1"]
    # An end that does not come is systemd's to bring about.
    bench.clock.now += DRAIN_S + FAREWELL_S
    assert bench.beat(bench.engine.now) == ["WATCHDOG=1"]


def test_reading_the_keys_again_is_framed() -> None:
    bench = Bench()
    bench.presence.reloading()
    bench.presence.reloaded()
    assert bench.systemd.heard == []
    bench.beat(READY)
    bench.systemd.heard.clear()
    bench.presence.reloading()
    bench.presence.reloaded()
    reloading, moment, ready = bench.systemd.heard
    assert (reloading, ready) == ("RELOADING=1", "READY=1")
    assert moment.removeprefix("MONOTONIC_USEC=").isdigit()


def test_a_hopeless_model_is_a_failure_with_a_reason_in_one_line() -> None:
    bench = Bench()
    assert bench.presence.failure is None
    failed = EngineStatus(state="failed", detail="no GPU\nat all")
    assert bench.beat(failed) == ["STATUS=failed m: no GPU at all", "WATCHDOG=1"]
    assert bench.presence.failure == "no GPU\nat all"
    assert bench.presence.settled
