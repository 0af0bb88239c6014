"""The upstream engine against a real HTTP server: what it asks, gets, and survives."""

import asyncio
import logging
import socket
from contextlib import aclosing
from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.events import Event, Finished, PartDelta, Started, collect
from server.core.messages import Conversation, Image, UserMessage
from server.engines.upstream import UpstreamEngine
from tests.contracts import check_answer
from tests.engines.scripted_server import (
    OK,
    OVER,
    Cut,
    chunk,
    encoded,
    frame,
    serving,
    streamed,
    whole,
)
from tests.engines.upstreams import GOLDEN, LIMITS, asked, options, told, upstream
from tests.fakes import Pause

KEY = "sk-upstream-key"
HELLO = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}
HEL = {"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]}
GREETING = streamed(HELLO, "[DONE]")
BEGUN = OK + chunk(frame(HEL))


async def events_of(engine: UpstreamEngine, **more: Any) -> list[Event]:
    return [event async for event in engine.generate(asked(**more))]


async def failure_of(engine: UpstreamEngine, **more: Any) -> ServerError:
    with pytest.raises(ServerError) as caught:
        await events_of(engine, **more)
    return caught.value


@pytest.mark.parametrize("name", ["openai_tools", "vllm_reasoning", "llama_server_reasoning"])
async def test_answers_come_over_http(name: str) -> None:
    golden = GOLDEN[name]
    async with (
        serving(streamed(*golden["frames"])) as server,
        upstream(f"{server.url}/v1", api_key=KEY) as engine,
    ):
        events = await events_of(engine)
        again = await collect(engine.generate(asked()))
    check_answer(events)
    assert told(again) == golden["answer"]
    (first, _) = server.requests
    assert first.path == "/v1/chat/completions"
    assert first.headers["authorization"] == f"Bearer {KEY}"
    assert first.headers["user-agent"].startswith("gpt-api/")
    assert first.body["messages"] == [{"role": "user", "content": "Hi"}]
    assert isinstance(events[-1], Finished)
    assert events[-1].timings.prompt_s > 0


@pytest.mark.parametrize(("wire", "path"), [("chatkit", "/chatkit"), ("vercel", "/api/chat")])
async def test_other_wires_come_over_http(wire: Any, path: str) -> None:
    golden = GOLDEN[wire]
    lines = golden.get("lines")
    body = "".join(f"{line}\n" for line in lines or ()).encode()
    reply = OK + chunk(body) + OVER if lines else streamed(*golden["frames"])
    async with serving(reply) as server:
        base = server.url if wire == "chatkit" else server.url + path
        async with upstream(base, wire=wire) as engine:
            assert told(await collect(engine.generate(asked()))) == golden["answer"]
    (received,) = server.requests
    assert received.path == path
    assert "authorization" not in received.headers


async def test_events_come_as_they_are_written() -> None:
    pause = Pause()
    script = (BEGUN, pause, chunk(frame(HELLO) + frame("[DONE]")), OVER)
    async with serving(*script) as server, upstream(server.url) as engine:
        async with aclosing(engine.generate(asked())) as events:
            seen = [await anext(events) for _ in range(3)]
            assert seen[0] == Started(prompt_tokens=0)
            assert seen[2] == PartDelta(text="Hel")
            assert engine.status().running == 1
            pause.go.set()
            seen += [event async for event in events]
        check_answer(seen)
        assert engine.status().running == 0


async def test_pictures_go_on_as_they_are_written() -> None:
    image = Image(url="https://picsum.photos/400", path="messages[0].content[1]")
    prompt = Conversation(messages=(UserMessage(text="What?", parts=("What?", image)),))
    async with serving(GREETING) as server:
        async with upstream(server.url, vision=True) as engine:
            await events_of(engine, prompt=prompt)
        async with upstream(server.url) as blind:
            error = await failure_of(blind, prompt=prompt)
            with pytest.raises(ServerError) as caught:
                await blind.tokenize(asked(prompt=prompt))
    (received,) = server.requests
    part = {"type": "image_url", "image_url": {"url": "https://picsum.photos/400"}}
    assert received.body["messages"][0]["content"][1] == part
    for refusal in (error, caught.value):
        assert (refusal.code, refusal.param) == ("unsupported_content", "messages[0].content[1]")


async def test_leaving_closes_the_connection_at_once() -> None:
    pause = Pause()
    async with serving(BEGUN, pause) as server, upstream(server.url) as engine:
        async with aclosing(engine.generate(asked())) as events:
            async for event in events:
                if isinstance(event, PartDelta):
                    break
        await server.left.wait()
        assert engine.status().running == 0


async def test_leaving_before_the_first_byte_closes_it_too() -> None:
    pause = Pause()
    async with serving(pause) as server, upstream(server.url) as engine:
        task = asyncio.create_task(events_of(engine))
        await pause.reached.wait()
        task.cancel()
        await server.left.wait()
        assert engine.status().running == 0
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closing_ends_every_answer_with_an_error() -> None:
    pause = Pause()
    async with serving(BEGUN, pause) as server, upstream(server.url) as engine:
        task = asyncio.create_task(failure_of(engine))
        await pause.reached.wait()
        await engine.close()
        error = await task
        await server.left.wait()
        assert (error.kind, error.code) == ("busy", "shutting_down")
        assert (await failure_of(engine)).code == "shutting_down"
        assert engine.status().state == "stopped"
        await engine.close()


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ((whole("400 Bad Request", b'{"error": "too hot"}'),), "invalid", "too hot"),
        ((whole("401 Unauthorized", b'{"error": "sk-"}'),), "upstream_failed", "operator"),
        ((whole("500 Oops", b'{"error": "out of memory"}'),), "upstream_failed", "out of memory"),
        ((whole("307 Moved", Location="http://127.0.0.1:9/"),), "upstream_failed", "elsewhere"),
        ((whole("200 OK", b"<html>"),), "upstream_failed", "ended before"),
        ((whole("200 OK", b'{"error": "asleep"}'),), "upstream_failed", "asleep"),
        ((OK + chunk(b"data: {\n\n") + OVER,), "upstream_failed", "no answer"),
        ((BEGUN + chunk(frame({"error": {"message": "gone"}})) + OVER,), "upstream_failed", "gone"),
        ((BEGUN + OVER,), "upstream_failed", "ended before"),
        ((BEGUN, Cut()), "upstream_failed", "broke the connection"),
        ((Cut(),), "upstream_failed", "broke the connection"),
        ((b"SSH-2.0-OpenSSH\r\n\r\n",), "upstream_failed", "broke the connection"),
    ],
)
async def test_every_failure_is_one_error(script: Any, kind: str, words: str) -> None:
    async with serving(*script) as server, upstream(server.url, api_key=KEY) as engine:
        error = await failure_of(engine)
    assert (error.kind, words in error.message) == (kind, True), error.message
    assert len(server.requests) == 1


async def test_a_full_server_says_when_to_come_back() -> None:
    reply = whole("429 Too Many Requests", Retry_After="17")
    async with serving(reply) as server, upstream(server.url) as engine:
        error = await failure_of(engine)
    assert (error.kind, error.retry_after) == ("busy", 17)


async def test_a_server_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with upstream(f"http://127.0.0.1:{port}") as engine:
        error = await failure_of(engine)
    assert (error.kind, "cannot be reached" in error.message) == ("upstream_failed", True)


@pytest.mark.parametrize("begun", [(), (OK,), (BEGUN,)])
async def test_silence_ends_an_answer(begun: tuple[bytes, ...]) -> None:
    async with (
        serving(*begun, Pause()) as server,
        upstream(server.url, timeout_s=0.05) as engine,
    ):
        error = await failure_of(engine)
        await server.left.wait()
    assert (error.kind, "0.05 seconds" in error.message) == ("timeout", True)


async def test_an_answer_that_goes_on_for_too_long_is_ended() -> None:
    limits = type(LIMITS)(sampling=LIMITS.sampling, max_tokens=1, timeout_s=0.05)
    pings = [chunk(b": ping\n\n")] * 3
    async with (
        serving(OK, *pings, Pause()) as server,
        upstream(server.url, limits=limits, timeout_s=30) as engine,
    ):
        error = await failure_of(engine)
        await server.left.wait()
    assert (error.kind, "did not finish" in error.message) == ("timeout", True)


async def test_an_answer_that_is_over_needs_no_proper_end() -> None:
    script = (OK, chunk(frame(HELLO)), Cut())
    async with serving(*script) as server, upstream(server.url) as engine:
        events = await events_of(engine)
    check_answer(events)
    assert events[-1].reason == "stop"


async def test_nobody_waits_for_more_after_the_end() -> None:
    pause = Pause()
    script = (OK, chunk(frame(HELLO) + frame("[DONE]")), pause)
    async with serving(*script) as server, upstream(server.url) as engine:
        check_answer(await events_of(engine))
        await server.left.wait()


async def test_tokens_are_not_known_here() -> None:
    async with upstream("http://127.0.0.1:9") as engine:
        for asking in (engine.tokenize(asked()), engine.detokenize((1,))):
            with pytest.raises(ServerError, match="another server") as caught:
                await asking
            assert caught.value.kind == "not_implemented"


async def test_it_is_ready_without_asking() -> None:
    async with upstream("http://127.0.0.1:9", context_length=4096) as engine:
        await engine.start()
        assert engine.status().state == "ready"
        assert engine.card().context_length == 4096


async def test_neither_key_nor_words_are_written_anywhere(caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, "server")
    failing = whole("500 Oops", encoded({"error": "secret question"}))
    async with (
        serving(failing) as server,
        upstream(f"{server.url}/v1", api_key=KEY) as engine,
    ):
        await failure_of(engine, text="secret question")
    assert KEY not in repr(options(api_key=KEY))
    assert KEY not in caplog.text
    assert "secret" not in caplog.text
    assert "answered by 127.0.0.1" in caplog.text
