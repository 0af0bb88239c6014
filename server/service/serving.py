"""A uvicorn server that drains: told to end, it lets running answers finish within a time, ends the
others with a proper error, and only then closes connections.

Knows connections and signals, not what is answered.
"""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import FrameType

import uvicorn

# Streams that are cut when the time is up still have to send their error before the sockets close.
LAST_WORDS_S = 5.0
# The same for who was told twice.
HURRIED_WORDS_S = 1.0
# A client that reuses a connection does so at once. Closed under its request, it would see an
# error; so connections stay open for as long after the last reply.
REUSE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasions:
    """What happens when. `started`: it answers; `beat`: from then on, says whether to go on;
    `pause_s`: seconds to the next beat; `hangup`: SIGHUP came; `drain`: it is about to end;
    `refuse`: from now on nobody is let in; `cut`: the time is up for what still runs.
    """

    started: Callable[[], None]
    beat: Callable[[], bool]
    hangup: Callable[[], None]
    drain: Callable[[], None]
    refuse: Callable[[], None]
    cut: Callable[[], Awaitable[None]]
    pause_s: Callable[[], float]


class DrainingServer(uvicorn.Server):
    """Drains for up to `drain_s` seconds, at once when it is told twice.

    `kept`: somebody keeps the listening sockets for the next process. Then new connections wait for
    that one, and what comes on the old ones is still answered in the first half of the time: nobody
    is refused who need not be. Otherwise new connections are taken, to be told to come back.
    """

    def __init__(
        self, config: uvicorn.Config, occasions: Occasions, *, drain_s: float, kept: bool
    ) -> None:
        super().__init__(config)
        self._occasions = occasions
        self._drain_s = drain_s
        self._kept = kept
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hurry = asyncio.Event()
        self._beating: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hurry.set)
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGHUP, self._occasions.hangup)
        await super().startup(sockets)
        if self.started:
            self._occasions.started()
            self._beating = asyncio.create_task(self._beat())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._occasions.drain()
        await self._drain(sockets or [])
        self.force_exit = self._hurry.is_set()
        await super().shutdown(sockets)
        if self._beating is not None:
            self._beating.cancel()

    async def _beat(self) -> None:
        while True:
            if not self._occasions.beat():
                self.should_exit = True
            await asyncio.sleep(self._occasions.pause_s())

    async def _drain(self, sockets: list[socket.socket]) -> None:
        if self._kept:
            self._stop_listening(sockets)
            await self._quiet(self._drain_s / 2, REUSE_S)
            self._occasions.refuse()
            await self._quiet(self._drain_s / 2)
        else:
            self._occasions.refuse()
            await self._quiet(self._drain_s)
        if self.server_state.tasks:
            cutting = asyncio.ensure_future(self._occasions.cut())
            words_s = HURRIED_WORDS_S if self._hurry.is_set() else LAST_WORDS_S
            await asyncio.wait({cutting, *self.server_state.tasks}, timeout=words_s)

    def _stop_listening(self, sockets: list[socket.socket]) -> None:
        for server in self.servers:
            server.close()
        for each in sockets:
            each.close()

    async def _quiet(self, limit_s: float, reuse_s: float = 0.0) -> None:
        """Wait until no request is running, nor comes within `reuse_s` on a connection that is
        still open; or until the time is up, or nobody wants to wait any more.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + limit_s
        hurry = asyncio.ensure_future(self._hurry.wait())
        try:
            while (left := until - loop.time()) > 0 and not hurry.done():
                if tasks := set(self.server_state.tasks):
                    everyone = asyncio.ensure_future(asyncio.wait(tasks))
                    await asyncio.wait(
                        {everyone, hurry}, timeout=left, return_when="FIRST_COMPLETED"
                    )
                    everyone.cancel()
                    continue
                if reuse_s and self.server_state.connections:
                    await asyncio.wait({hurry}, timeout=min(reuse_s, left))
                if not self.server_state.tasks:
                    return
        finally:
            hurry.cancel()
