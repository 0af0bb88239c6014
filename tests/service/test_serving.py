"""Draining: what runs may finish, what comes is told to come back, and what takes too long is ended
in the dialect's words.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import uvicorn
from fastapi import FastAPI

from server.api.deps import Service
from server.core.errors import ServerError
from server.service.serving import DrainingServer, Occasions
from tests.api.serving import CHAT, MESSAGES, app_on
from tests.fakes import HELLO, Pause, ScriptedEngine

BODY = {"messages": MESSAGES}


class ClosingEngine(ScriptedEngine):
    """Its streams fail when it is closed, as those of a real engine do."""

    def __init__(self, *script: object) -> None:
        super().__init__(*script)
        self.closed = asyncio.Event()

    async def close(self) -> None:
        self.closed.set()

    async def generate(self, request):
        script = super().generate(request)
        closed = asyncio.ensure_future(self.closed.wait())
        try:
            while True:
                coming = asyncio.ensure_future(anext(script))
                await asyncio.wait({coming, closed}, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
                    raise ServerError("busy", "The server is shutting down.", retry_after=5.0)
                yield coming.result()
        except StopAsyncIteration:
            return
        finally:
            closed.cancel()
            await script.aclose()


@dataclass
class Life:
    """A server that can be told to end, and what happened on the way."""

    app: FastAPI
    listener: socket.socket
    server: DrainingServer = field(init=False)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    refusing: asyncio.Event = field(default_factory=asyncio.Event)
    beats: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def occasions(self, started: asyncio.Event) -> Occasions:
        service: Service = self.app.state.service

        def drain() -> None:
            service.drain.begin()
            self.draining.set()

        def refuse() -> None:
            service.drain.refuse()
            self.refusing.set()

        return Occasions(
            started=started.set,
            beat=self.beat,
            hangup=lambda: None,
            drain=drain,
            refuse=refuse,
            cut=service.registry.close,
            pause_s=lambda: 1.0,
        )

    def beat(self) -> bool:
        self.beats += 1
        return True


@asynccontextmanager
async def serving(
    app: FastAPI, *, drain_s: float = 30.0, kept: bool = False
) -> AsyncIterator[Life]:
    """A server on a free port. Leaving waits until it has ended."""
    life = Life(app, socket.create_server(("127.0.0.1", 0)))
    started = asyncio.Event()
    config = uvicorn.Config(
        app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=1
    )
    life.server = DrainingServer(config, life.occasions(started), drain_s=drain_s, kept=kept)
    # As systemd does, the test holds the socket, whatever the server does with it.
    running = asyncio.create_task(life.server.serve(sockets=[life.listener.dup()]))
    await started.wait()
    try:
        yield life
    finally:
        life.server.should_exit = True
        await running
        life.listener.close()


async def test_what_runs_finishes_and_what_comes_is_told_to_come_back() -> None:
    pause = Pause()
    engine = ClosingEngine(*HELLO[:3], pause, *HELLO[3:])
    async with serving(app_on(engine)) as life, httpx.AsyncClient(base_url=life.url) as client:
        streamed = asyncio.create_task(client.post(CHAT, json={**BODY, "stream": True}))
        await pause.reached.wait()
        life.server.should_exit = True
        await life.refusing.wait()
        refused = await client.post(CHAT, json=BODY)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        health = await client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "draining")
        pause.go.set()
        reply = await streamed
        assert reply.status_code == 200
        assert reply.text.endswith("data: [DONE]\n\n")
    assert not engine.closed.is_set()
    assert life.beats > 0


async def test_what_takes_too_long_ends_with_an_error_and_a_proper_end() -> None:
    pause = Pause()
    engine = ClosingEngine(*HELLO[:3], pause, *HELLO[3:])
    async with serving(app_on(engine), drain_s=0) as life, httpx.AsyncClient() as client:
        body = {**BODY, "stream": True}
        streamed = asyncio.create_task(client.post(life.url + CHAT, json=body))
        await pause.reached.wait()
        pause.reached.clear()
        plain = asyncio.create_task(client.post(life.url + CHAT, json=BODY))
        await pause.reached.wait()
        life.server.should_exit = True
        # Neither raises: the body is whole, with the end that HTTP gives it.
        *_, last, nothing = (await streamed).text.split("\n\n")
        assert nothing == ""
        error = json.loads(last.removeprefix("data: "))["error"]
        assert (error["type"], error["message"]) == (
            "service_unavailable",
            "The server is shutting down.",
        )
        whole = await plain
        assert (whole.status_code, whole.headers["retry-after"]) == (503, "5")


async def test_one_more_request_is_served_on_connections_that_are_there() -> None:
    pause = Pause()
    engine = ClosingEngine(*HELLO[:3], pause, *HELLO[3:])
    async with serving(app_on(engine), kept=True) as life, httpx.AsyncClient() as client:
        there = asyncio.create_task(client.post(life.url + CHAT, json={**BODY, "stream": True}))
        await pause.reached.wait()
        life.server.should_exit = True
        await life.draining.wait()
        waiting = asyncio.create_task(client.get(life.url + "/healthz"))
        pause.go.set()
        assert (await there).text.endswith("data: [DONE]\n\n")
        # Its connection is used once more, while a new one waits for the next process.
        again = await client.post(life.url + CHAT, json=BODY)
        assert (again.status_code, again.headers["connection"]) == (200, "close")
        assert not waiting.done()
        waiting.cancel()


async def test_nobody_is_waited_for_where_nobody_is() -> None:
    async with serving(app_on(ScriptedEngine()), kept=True) as life:
        life.server.should_exit = True
        await life.refusing.wait()
