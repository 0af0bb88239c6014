"""Answers through real proxies: unbuffered, not cut while they are silent, ended when nobody waits
for them.
"""

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import httpx
import pytest

from tests.api.serving import CHAT, MESSAGES, app_on, listening
from tests.fakes import HELLO, STARTED, Pause, ScriptedEngine, finished, part
from tests.proxies.conftest import Publish
from tests.proxies.proxy import HOST, Certificate, Kind

OLLAMA = "/api/chat"
ANTHROPIC = "/v1/messages"
BODY = {"messages": MESSAGES, "model": "gpt-oss:20b", "stream": True, "max_tokens": 50}
# How a stream ends that is whole.
END = {CHAT: "[DONE]", OLLAMA: '"done":true', ANTHROPIC: "message_stop"}
IMPATIENT = {
    "nginx": {"proxy_read_timeout 35m;": "proxy_read_timeout 1s;"},
    "caddy": {"keepalive 60s": "keepalive 60s\n\t\t\tread_timeout 1s"},
}
ClientOf = Callable[..., httpx.AsyncClient]


async def until(chunks: object, text: str) -> None:
    """Read on until a text has come; it need not be whole in one chunk."""
    got = ""
    while text not in got:
        got += (await anext(chunks)).decode()


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("path", [CHAT, OLLAMA, ANTHROPIC])
async def test_pieces_arrive_as_they_are_written(
    publish: Publish, client_of: ClientOf, path: str, http2: bool
) -> None:
    pause = Pause()
    engine = ScriptedEngine(*HELLO[:3], pause, *HELLO[3:])
    async with AsyncExitStack() as stack:
        proxy = publish(await stack.enter_async_context(listening(app_on(engine))))
        client = await stack.enter_async_context(client_of(proxy, http2=http2))
        headers = {"Accept-Encoding": "gzip"}
        reply = await stack.enter_async_context(
            client.stream("POST", path, json=BODY, headers=headers)
        )
        assert reply.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
        assert "content-encoding" not in reply.headers
        chunks = reply.aiter_raw()
        await until(chunks, "Hel")
        # The answer is not finished: the engine goes on only now.
        assert engine.running == 1
        pause.go.set()
        await until(chunks, END[path])
    assert not engine.left.is_set()


async def test_a_reload_of_nginx_lets_answers_finish(
    kind: Kind, publish: Publish, client_of: ClientOf
) -> None:
    if kind == "caddy":
        pytest.skip("Caddy is told to reload at a port of its own, which no test opens")
    pause = Pause()
    engine = ScriptedEngine(*HELLO[:3], pause, *HELLO[3:])
    async with AsyncExitStack() as stack:
        proxy = publish(await stack.enter_async_context(listening(app_on(engine))))
        client = await stack.enter_async_context(client_of(proxy))
        reply = await stack.enter_async_context(client.stream("POST", CHAT, json=BODY))
        chunks = reply.aiter_raw()
        await until(chunks, "Hel")
        proxy.reload()
        pause.go.set()
        await until(chunks, END[CHAT])


@pytest.mark.parametrize(("path", "ping"), [(CHAT, b": ping\n\n"), (OLLAMA, b" ")])
async def test_a_silent_stream_outlives_the_proxys_patience(
    publish: Publish, client_of: ClientOf, path: str, ping: bytes
) -> None:
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *part(0, "text", "late"), finished())
    async with AsyncExitStack() as stack:
        app = app_on(engine, ping_seconds=0.25)
        proxy = publish(await stack.enter_async_context(listening(app)), **IMPATIENT)
        client = await stack.enter_async_context(client_of(proxy))
        reply = await stack.enter_async_context(client.stream("POST", path, json=BODY))
        chunks = reply.aiter_raw()
        # Two seconds and more of silence, by the server's own clock.
        pings = b""
        while pings.count(ping) < 9:
            pings += await anext(chunks)
        pause.go.set()
        await until(chunks, END[path])
    assert not engine.left.is_set()


async def test_without_pings_the_same_stream_is_cut(publish: Publish, client_of: ClientOf) -> None:
    engine = ScriptedEngine(STARTED, Pause(), *part(0, "text", "late"), finished())
    async with AsyncExitStack() as stack:
        app = app_on(engine, ping_seconds=0)
        proxy = publish(await stack.enter_async_context(listening(app)), **IMPATIENT)
        client = await stack.enter_async_context(client_of(proxy))
        reply = await stack.enter_async_context(client.stream("POST", CHAT, json=BODY))
        got = b""
        # nginx breaks the connection off; Caddy 2.6 ends it as if nothing was missing.
        with suppress(httpx.RemoteProtocolError):
            async for chunk in reply.aiter_raw():
                got += chunk
        assert b'"role":"assistant"' in got
        assert END[CHAT].encode() not in got
        await engine.left.wait()


async def test_a_whole_answer_that_a_proxy_does_not_wait_for(
    publish: Publish, client_of: ClientOf
) -> None:
    engine = ScriptedEngine(STARTED, Pause(), *part(0, "text", "late"), finished())
    async with AsyncExitStack() as stack:
        proxy = publish(await stack.enter_async_context(listening(app_on(engine))), **IMPATIENT)
        client = await stack.enter_async_context(client_of(proxy))
        reply = await client.post(CHAT, json={**BODY, "stream": False})
        assert (reply.status_code, reply.headers["retry-after"]) == (504, "5")
        assert "The server is away" in reply.json()["error"]["message"]
        await engine.left.wait()


async def test_a_whole_answer_that_is_begun_in_time(publish: Publish, client_of: ClientOf) -> None:
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *part(0, "text", "late"), finished())
    async with AsyncExitStack() as stack:
        app = app_on(engine, plain_ping_seconds=0.25)
        proxy = publish(await stack.enter_async_context(listening(app)), **IMPATIENT)
        client = await stack.enter_async_context(client_of(proxy))
        body = {**BODY, "stream": False}
        reply = await stack.enter_async_context(client.stream("POST", CHAT, json=body))
        chunks = reply.aiter_raw()
        got = b""
        while len(got) < 9:
            got += await anext(chunks)
        assert got.strip() == b""
        pause.go.set()
        got += b"".join([chunk async for chunk in chunks])
    assert reply.headers["content-type"] == "application/json"
    assert json.loads(got)["choices"][0]["message"]["content"] == "late"


@pytest.mark.parametrize("http2", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("before", [1, 3], ids=["in prefill", "amid the text"])
async def test_a_client_that_leaves_ends_generation(
    publish: Publish, client_of: ClientOf, before: int, stream: bool, http2: bool
) -> None:
    pause = Pause()
    engine = ScriptedEngine(*HELLO[:before], pause, *HELLO[before:])
    async with listening(app_on(engine)) as url:
        proxy = publish(url)
        client = client_of(proxy, http2=http2)
        asked = asyncio.create_task(client.post(CHAT, json={**BODY, "stream": stream}))
        await pause.reached.wait()
        assert not engine.left.is_set()
        asked.cancel()
        await asyncio.wait({asked})
        await client.aclose()
        await engine.left.wait()
        assert engine.running == 0


@pytest.mark.parametrize("http2", [False, True])
async def test_a_large_body_arrives_whole(
    publish: Publish, client_of: ClientOf, http2: bool
) -> None:
    engine = ScriptedEngine()
    text = "0123456789abcdef" * (512 * 1024)
    async with listening(app_on(engine)) as url:
        proxy = publish(url)
        async with client_of(proxy, http2=http2) as client:
            body = {"messages": [{"role": "user", "content": text}]}
            assert (await client.post(CHAT, json=body)).status_code == 200
    assert engine.requests[0].prompt.messages[0].text == text


async def test_a_body_that_is_too_large_is_refused_in_words(
    publish: Publish, certificate: Certificate
) -> None:
    engine = ScriptedEngine()
    async with listening(app_on(engine)) as url:
        proxy = publish(url)
        reader, writer = await asyncio.open_connection(
            HOST, proxy.port, ssl=certificate.trusted(), server_hostname=HOST
        )
        head = f"POST {CHAT} HTTP/1.1\r\nHost: {HOST}:{proxy.port}\r\n"
        writer.write(f"{head}Content-Length: {(32 << 20) + 1}\r\n\r\n".encode())
        for _ in range(1024):
            writer.write(b" " * (32 << 10))
            await writer.drain()
        writer.write(b" ")
        reply = await reader.readuntil(b'"request_too_large"')
        writer.transport.abort()
    status, _, rest = reply.decode().partition("\r\n")
    assert status.startswith("HTTP/1.1 413 ")
    assert "send less" in rest
    assert engine.requests == []
