"""Models that come and go on a machine whose memory and time are the test's."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from server.core.errors import ServerError
from server.core.ports import EngineStatus, ModelCard
from server.registry.loading import Habits, Prepared, Say, Source
from server.registry.on_demand import OnDemand
from server.registry.residency import Residency
from tests.fakes import CARD

KEEP_ALIVE_S = 300.0


@dataclass(eq=False)
class _Timer:
    at: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class Time:
    """Passes only when told to."""

    def __init__(self) -> None:
        self.at = 0.0
        self._timers: list[_Timer] = []

    def now(self) -> float:
        return self.at

    def later(self, seconds: float, callback: Callable[[], None]) -> _Timer:
        timer = _Timer(self.at + seconds, callback)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        until = self.at + seconds
        while due := [each for each in self._timers if not each.cancelled and each.at <= until]:
            first = min(due, key=lambda each: each.at)
            self._timers.remove(first)
            self.at = first.at
            first.callback()
        self.at = until


class Backend:
    """Ready when `come` is set, of no use if it `fails` then. A quarter of what it takes the system
    sees as taken once it is there, the rest never.
    """

    def __init__(self, name: str, needed: int, machine: "Machine") -> None:
        self.name = name
        self.needed = needed
        self.come = asyncio.Event()
        self.fails = False
        self.users = 0
        self.closed = False
        self._machine = machine

    async def start(self) -> None:
        assert all(other.name != self.name for other in self._machine.live), "loaded twice"
        self._machine.live.append(self)
        self._machine.loads.append(self.name)
        self._machine.check()

    async def settled(self) -> EngineStatus:
        await self.come.wait()
        return self.status()

    async def close(self) -> None:
        assert self._machine.ending or not self.users, "a busy model had to go"
        self.closed = True
        # The process takes its time to end.
        await asyncio.sleep(0)
        if self in self._machine.live:
            self._machine.live.remove(self)

    def status(self) -> EngineStatus:
        if self.closed:
            return EngineStatus(state="stopped")
        if self.fails:
            return EngineStatus(state="failed", detail="it is broken")
        return EngineStatus(state="ready" if self.come.is_set() else "loading")

    def card(self) -> ModelCard | None:
        return replace(CARD, unclaimed_bytes=self.needed - self.needed // 4)


@dataclass
class Machine:
    """`live` are the backends that were started and not closed, `loads` the names of all that ever
    were started; `ending`: requests may be cut.
    """

    memory: int = 100
    most: int | None = None
    live: list[Backend] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ending: bool = False
    time: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        self.residency = Residency(self.available, self.most)

    def available(self) -> int:
        """What the system would say."""
        seen = (each.needed // 4 for each in self.live if each.come.is_set())
        return self.memory - sum(seen)

    def check(self) -> None:
        """What is in memory fits into it."""
        assert sum(each.needed for each in self.live) <= self.memory, "promised twice"
        assert self.most is None or len(self.live) <= self.most, "too many"

    def guest(self, name: str, needed: int, **habits: float) -> OnDemand[Backend]:
        async def prepare(_: Say) -> Prepared[Backend]:
            return Prepared(needed_bytes=needed, make=lambda: Backend(name, needed, self))

        source = Source(prepare=prepare, look=lambda: None)
        values = {"keep_alive_s": KEEP_ALIVE_S} | habits
        given = Habits(now=self.time.now, later=self.time.later, **values)
        return OnDemand(name, source, self.residency, given)

    def backend(self, name: str) -> Backend | None:
        return next((each for each in self.live if each.name == name), None)


class Asking:
    """One request: it waits for its model, and then is answered until it is told to `end`."""

    def __init__(self, guest: OnDemand[Backend], keep_alive_s: float | None = None) -> None:
        self.answered = asyncio.Event()
        self._end = asyncio.Event()
        self.task = asyncio.create_task(self._ask(guest, keep_alive_s))

    async def _ask(self, guest: OnDemand[Backend], keep_alive_s: float | None) -> None:
        async with guest.borrowed(keep_alive_s) as backend:
            assert backend.come.is_set()
            assert not backend.closed
            backend.users += 1
            self.answered.set()
            try:
                await self._end.wait()
            finally:
                backend.users -= 1

    def end(self) -> None:
        self._end.set()

    async def failure(self) -> ServerError | None:
        """How it ended; None: well, or by its own wish."""
        await asyncio.wait([self.task])
        error = None if self.task.cancelled() else self.task.exception()
        assert error is None or isinstance(error, ServerError), error
        return error


async def quiet() -> None:
    """Until everything that can go on has gone on; nothing here waits for anything real."""
    for _ in range(30):
        await asyncio.sleep(0)
