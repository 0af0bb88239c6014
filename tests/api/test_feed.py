"""The feed of events: order, ends, failures; and the stream over it that nobody ever reads."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from server.api.disconnect import ClientGone, unless_gone
from server.api.feed import Arrival, Feed
from server.api.options import ApiOptions
from server.api.stream import EventStream
from server.core.errors import ServerError
from server.core.events import Event
from tests.dialects.asking import call
from tests.dialects.asking_ollama import chat
from tests.fakes import HELLO, STARTED, Pause, ScriptedEngine, finished


def streams(engine: ScriptedEngine, count: int = 1) -> list[AsyncGenerator[Event, None]]:
    (request,) = call({}).requests
    return [engine.generate(request) for _ in range(count)]


async def all_of(feed: Feed) -> list[Arrival]:
    arrived: list[Arrival] = []
    while batch := await feed.batch():
        arrived += batch
    return arrived


async def test_every_event_arrives_once_and_in_order():
    feed = Feed(streams(ScriptedEngine()))
    assert await all_of(feed) == [(0, event) for event in HELLO]
    assert await feed.batch() == []
    await feed.close()


async def test_a_stream_that_somebody_else_cancels_is_a_failure():
    async def cancelled() -> AsyncGenerator[Event, None]:
        yield STARTED
        raise asyncio.CancelledError

    feed = Feed([cancelled()])
    arrived = await feed.batch()
    with pytest.raises(RuntimeError, match="was cancelled"):
        arrived += await feed.batch()
    assert arrived == [(0, STARTED)]
    assert feed.over
    await feed.close()


async def test_streams_advance_side_by_side():
    pause = Pause()
    engine = ScriptedEngine(by_request={0: (STARTED, pause, finished()), 1: HELLO})
    feed = Feed(streams(engine, 2))
    await pause.reached.wait()
    before = await feed.batch()
    assert [event for index, event in before if index == 1] == list(HELLO)
    pause.go.set()
    assert await all_of(feed) == [(0, finished())]
    await feed.close()


async def test_what_arrived_before_a_failure_is_delivered_first():
    engine = ScriptedEngine(STARTED, ServerError("engine_failed", "It died."))
    feed = Feed(streams(engine))
    assert await feed.batch() == [(0, STARTED)]
    for _ in range(2):
        with pytest.raises(ServerError, match=r"It died\."):
            await feed.batch()
    await feed.close()


async def test_it_is_over_when_all_that_comes_has_come():
    pause = Pause()
    engine = ScriptedEngine(by_request={0: (STARTED, pause, finished()), 1: HELLO})
    feed = Feed(streams(engine, 2))
    await pause.reached.wait()
    assert not feed.over
    pause.go.set()
    await all_of(feed)
    assert feed.over
    await feed.close()
    failing = Feed(streams(ScriptedEngine(STARTED, ServerError("engine_failed", "It died."))))
    with pytest.raises(ServerError, match="It died"):
        await all_of(failing)
    assert failing.over
    await failing.close()


async def test_nothing_follows_the_last_frame():
    """To Ollama's clients a blank after the last line is another line, which is no JSON."""
    feed = Feed(streams(ScriptedEngine()))
    sent: list[bytes] = []
    pinged = asyncio.Event()

    async def frames() -> AsyncGenerator[bytes, None]:
        await all_of(feed)
        yield b"last"
        await pinged.wait()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))
        if b"last" in sent and len(sent) > 3:
            pinged.set()

    asked = replace(chat({}), ping=b" ")
    stream = EventStream(frames(), feed, asked, ApiOptions(version="0", ping_seconds=0.001))
    await stream({"type": "http", "method": "POST"}, asyncio.Event().wait, send)
    assert b"".join(sent) == b"last"


async def test_failure_of_one_stream_ends_the_others():
    engine = ScriptedEngine(STARTED, Pause(), by_request={1: (ServerError("busy", "Full."),)})
    feed = Feed(streams(engine, 2))
    with pytest.raises(ServerError, match=r"Full\."):
        await all_of(feed)
    await engine.left.wait()
    await feed.close()


async def test_closing_twice_ends_what_runs():
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause)
    feed = Feed(streams(engine))
    await pause.reached.wait()
    await feed.close()
    await feed.close()
    assert engine.left.is_set()
    assert engine.running == 0


async def test_client_that_leaves_before_the_first_frame_ends_the_feed():
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause)
    feed = Feed(streams(engine))
    await pause.reached.wait()
    never_started = []

    async def frames() -> AsyncGenerator[bytes, None]:
        never_started.append(False)
        yield b"data: x\n\n"

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        await asyncio.Event().wait()

    response = EventStream(frames(), feed, call({}), ApiOptions(version="0"))
    await response({"type": "http", "method": "POST"}, receive, send)
    assert never_started == []
    assert engine.left.is_set()


async def test_work_wins_over_a_client_that_stays():
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def work() -> int:
        return 5

    assert await unless_gone(receive, work()) == 5


async def test_work_is_cancelled_when_the_client_leaves():
    cancelled = asyncio.Event()
    messages = [{"type": "http.request"}, {"type": "http.disconnect"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(ClientGone):
        await unless_gone(receive, work())
    assert cancelled.is_set()
