"""Whole replies that take long, over a real socket: begun with spaces where that is wanted."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import openai
import pytest

from server.core.errors import ServerError
from tests.api.serving import CHAT, MESSAGES, app_on, listening
from tests.fakes import HELLO, STARTED, Pause, ScriptedEngine, finished, part

BODY = {"messages": MESSAGES}
LATE = (*part(0, "text", "late"), finished())


@asynccontextmanager
async def streamed(
    engine: ScriptedEngine, body: dict[str, object] = BODY, path: str = CHAT
) -> AsyncIterator[httpx.Response]:
    """The reply of a server that sends a space every hundredth of a second."""
    app = app_on(engine, plain_ping_seconds=0.01)
    client = httpx.AsyncClient()
    async with listening(app) as url, client, client.stream("POST", url + path, json=body) as reply:
        yield reply


async def test_spaces_come_until_the_answer_does():
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *LATE)
    async with streamed(engine) as reply:
        chunks = reply.aiter_bytes()
        for _ in range(3):
            assert (await anext(chunks)).strip(b" ") == b""
        pause.go.set()
        rest = b"".join([chunk async for chunk in chunks])
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    assert reply.headers["x-request-id"].startswith("req_")
    assert rest.strip(b" ").startswith(b'{"id":')


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/messages", {**BODY, "max_tokens": 50}),
        ("/api/chat", {**BODY, "model": "gpt-oss:20b", "stream": False}),
        ("/v1/completions", {"prompt": "Hi"}),
        ("/v1/responses", {"input": "Hi"}),
        ("/chat", {"message": "Hi"}),
    ],
)
async def test_every_dialect_can_begin(path: str, body: dict[str, object]):
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *LATE)
    async with streamed(engine, body, path) as reply:
        chunks = reply.aiter_bytes()
        assert (await anext(chunks)).strip(b" ") == b""
        pause.go.set()
        assert "late" in str(json.loads(b"".join([chunk async for chunk in chunks])))


async def test_the_openai_package_reads_what_begins_with_spaces():
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *LATE)
    async with listening(app_on(engine, plain_ping_seconds=0.01)) as url:
        client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
        async with client:
            asked = asyncio.create_task(
                client.chat.completions.create(model="gpt-oss-20b", messages=MESSAGES)
            )
            await pause.reached.wait()
            await asyncio.wait({asked}, timeout=0.05)
            pause.go.set()
            assert (await asked).choices[0].message.content == "late"


async def test_what_is_there_in_time_has_its_status_and_length():
    failing = ScriptedEngine(STARTED, ServerError("engine_failed", "It broke."))
    for engine, status in ((ScriptedEngine(), 200), (failing, 500)):
        app = app_on(engine, plain_ping_seconds=30)
        async with listening(app) as url, httpx.AsyncClient(base_url=url) as client:
            reply = await client.post(CHAT, json=BODY)
        assert reply.status_code == status
        assert int(reply.headers["content-length"]) == len(reply.content)


async def test_a_failure_after_the_beginning_is_no_answer(caplog: pytest.LogCaptureFixture):
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, ServerError("engine_failed", "It broke."))
    async with streamed(engine) as reply:
        chunks = reply.aiter_bytes()
        await anext(chunks)
        pause.go.set()
        with pytest.raises(httpx.RemoteProtocolError):
            assert [chunk async for chunk in chunks if chunk.strip()] == []
    assert any("its connection is closed: It broke." in each for each in caplog.messages)


async def test_leaving_one_that_has_begun_ends_generation():
    engine = ScriptedEngine(*HELLO[:3], Pause(), *HELLO[3:])
    app = app_on(engine, plain_ping_seconds=0.01)
    async with listening(app) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("POST", CHAT, json=BODY) as reply:
            await anext(reply.aiter_raw())
        await engine.left.wait()
    assert engine.running == 0
