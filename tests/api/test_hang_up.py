"""A client that leaves ends its generation at once, over a real socket, whatever it waited for."""

import asyncio
import json

import httpx
import ollama
import pytest

from tests.api.serving import CHAT, MESSAGES, app_on, listening
from tests.fakes import HELLO, STARTED, Pause, ScriptedEngine, finished, part


async def connected(url: str, body: dict[str, object]) -> asyncio.StreamWriter:
    """A raw connection that has sent a whole request and reads nothing."""
    _, _, authority = url.partition("//")
    host, port = authority.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    content = json.dumps(body).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    await writer.drain()
    return writer


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("before", [0, 1, 3], ids=["in the queue", "in prefill", "amid the text"])
async def test_leaving_ends_generation(before: int, n: int, stream: bool):
    pause = Pause()
    engine = ScriptedEngine(*HELLO[:before], pause, *HELLO[before:])
    async with listening(app_on(engine)) as url:
        writer = await connected(url, {"messages": MESSAGES, "stream": stream, "n": n})
        await pause.reached.wait()
        assert not engine.left.is_set()
        writer.close()
        await engine.left.wait()
        assert engine.running == 0
        async with httpx.AsyncClient(base_url=url) as client:
            pause.go.set()
            assert (await client.post(CHAT, json={"messages": MESSAGES})).status_code == 200


async def test_leaving_amid_a_stream_that_was_read_ends_generation():
    pause = Pause()
    engine = ScriptedEngine(*HELLO[:3], pause, *HELLO[3:])
    async with listening(app_on(engine)) as url, httpx.AsyncClient(base_url=url) as client:
        body = {"messages": MESSAGES, "stream": True}
        async with client.stream("POST", CHAT, json=body) as response:
            lines = response.aiter_lines()
            while "Hel" not in await anext(lines):
                pass
            assert not engine.left.is_set()
        await engine.left.wait()


async def test_half_a_body_asks_the_engine_nothing():
    engine = ScriptedEngine()
    async with listening(app_on(engine)) as url:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 50\r\n\r\n{{".encode()
        )
        await writer.drain()
        writer.close()
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/healthz")).status_code == 200
    assert engine.requests == []


async def test_silent_stream_is_kept_alive_by_comments():
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *part(0, "text", "late"), finished())
    app = app_on(engine, ping_seconds=0.01)
    async with listening(app) as url, httpx.AsyncClient(base_url=url) as client:
        body = {"messages": MESSAGES, "stream": True}
        async with client.stream("POST", CHAT, json=body) as response:
            lines = response.aiter_lines()
            assert '"role":"assistant"' in await anext(lines)
            while await anext(lines) != ": ping":
                pass
            pause.go.set()
            rest = "\n".join([line async for line in lines])
    assert "late" in rest
    assert rest.rstrip().endswith("data: [DONE]")


async def test_silent_lines_of_json_are_kept_alive_by_spaces():
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *part(0, "text", "late"), finished())
    async with listening(app_on(engine, ping_seconds=0.01)) as url:
        client = ollama.AsyncClient(host=url)
        body = {"messages": MESSAGES, "model": "gpt-oss:20b"}
        async with client, httpx.AsyncClient(base_url=url) as raw:
            async with raw.stream("POST", "/api/chat", json=body) as response:
                assert (await anext(response.aiter_bytes())).strip(b" ") == b""
            pause.reached.clear()
            lines = await client.chat(**body, stream=True)
            first = asyncio.ensure_future(anext(lines))
            await pause.reached.wait()
            await asyncio.wait({first}, timeout=0.05)
            pause.go.set()
            assert (await first).message.content == "late"
            assert [line.done async for line in lines] == [True]


async def test_pings_can_be_switched_off():
    engine = ScriptedEngine()
    app = app_on(engine, ping_seconds=0)
    async with listening(app) as url, httpx.AsyncClient(base_url=url) as client:
        response = await client.post(CHAT, json={"messages": MESSAGES, "stream": True})
    assert ": ping" not in response.text
    assert response.text.endswith("data: [DONE]\n\n")


async def test_chunks_arrive_while_the_answer_is_written():
    pause = Pause()
    engine = ScriptedEngine(*HELLO[:3], pause, *HELLO[3:])
    async with listening(app_on(engine)) as url, httpx.AsyncClient(base_url=url) as client:
        body = {"messages": MESSAGES, "stream": True}
        async with client.stream("POST", CHAT, json=body) as response:
            lines = response.aiter_lines()
            while "Hel" not in await anext(lines):
                pass
            assert (await client.get("/health")).status_code == 200
            pause.go.set()
            assert any([line == "data: [DONE]" async for line in lines])
