"""A model of another server behind the routes: listed, asked, and failing in clients' words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from server.api.app import build
from server.api.options import ApiOptions
from server.auth.key_text import read_table
from server.auth.keys import KeyTable
from server.registry.entries import UPSTREAM, Entry
from server.registry.registry import Registry
from tests.api.serving import CHAT, MESSAGES, client_of
from tests.engines.scripted_server import OK, Play, ScriptedServer, chunk, frame, serving, whole
from tests.engines.upstreams import upstream
from tests.fakes import Pause, ScriptedEngine

HELLO = {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]}
GREETING = (OK, chunk(frame(HELLO) + frame("[DONE]")), b"0\r\n\r\n")
ASKED = {"model": "far", "messages": MESSAGES}


@asynccontextmanager
async def far(
    *script: Play, keys: KeyTable | None = None, **changes: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, ScriptedServer]]:
    """A client of an application whose second model a scripted server answers for."""
    async with serving(*script) as server, upstream(server.url, **changes) as engine:
        own = Entry(name="gpt-oss-20b", engine=ScriptedEngine(), created=1)
        there = Entry(name="far", engine=engine, created=2, vision=True, owner=UPSTREAM)
        registry = Registry([own, there], "gpt-oss-20b")
        app = build(registry, keys or KeyTable(), ApiOptions(version="0.0.0"))
        async with client_of(app) as client:
            yield client, server


async def test_lists_say_whose_it_is() -> None:
    async with far(context_length=4096) as (client, _):
        listed = (await client.get("/v1/models")).json()["data"]
        health = (await client.get("/health")).json()
        root = (await client.get("/")).json()
        tags = (await client.get("/api/tags")).json()["models"]
        loaded = (await client.get("/api/ps")).json()["models"]
        shown = (await client.post("/api/show", json={"model": "far"})).json()
    assert [(each["id"], each["owned_by"]) for each in listed] == [
        ("gpt-oss-20b", "gpt-api"),
        ("far", "upstream"),
    ]
    assert listed[1]["capabilities"] == ["chat", "vision"]
    assert listed[1]["context_length"] == 4096
    assert listed[1]["meta"]["description"] == "answered by another server"
    assert "parameters" not in listed[1]["meta"]
    assert health["models"]["far"]["state"] == "ready"
    assert "far" in health["available_models"]
    assert root["available_models"]["far"]["provider"] == "upstream"
    assert [each["name"] for each in tags] == ["gpt-oss-20b:latest", "far:latest"]
    assert [each["name"] for each in loaded] == ["gpt-oss-20b:latest"]
    assert "vision" in shown["capabilities"]
    assert shown["details"]["parameter_size"] == ""


async def test_every_dialect_asks_it() -> None:
    async with far(*GREETING) as (client, server):
        chat = (await client.post(CHAT, json=ASKED)).json()
        response = (await client.post("/v1/responses", json={"model": "far", "input": "Hi"})).json()
        message = (await client.post("/v1/messages", json={**ASKED, "max_tokens": 9})).json()
        ollama = (await client.post("/api/chat", json={**ASKED, "stream": False})).json()
        simple = (await client.post("/chat", json={"model": "far", "message": "Hi"})).json()
    assert chat["choices"][0]["message"]["content"] == "Hello"
    assert "does not say how many tokens" in chat["warning"]
    assert response["output"][-1]["content"][0]["text"] == "Hello"
    assert message["content"] == [{"type": "text", "text": "Hello", "citations": None}] or (
        message["content"][0]["text"] == "Hello"
    )
    assert ollama["message"]["content"] == "Hello"
    assert simple["response"] == "Hello"
    assert {received.body["model"] for received in server.requests} == {"m"}


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        ((whole("400 Bad Request", b'{"error": "no"}'),), 400, "invalid_value"),
        ((whole("401 Unauthorized"),), 502, "bad_gateway"),
        ((whole("429 Too Many Requests", Retry_After="9"),), 503, "queue_full"),
        ((whole("500 Oops"),), 502, "bad_gateway"),
    ],
)
async def test_failures_are_statuses(script: Any, status: int, code: str) -> None:
    async with far(*script) as (client, _):
        for stream in (False, True):
            reply = await client.post(CHAT, json={**ASKED, "stream": stream})
            assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)
    assert reply.headers.get("retry-after") == ("9" if status == 503 else None)


async def test_silence_is_a_timeout() -> None:
    async with far(Pause(), timeout_s=0.05) as (client, _):
        reply = await client.post(CHAT, json=ASKED)
    assert (reply.status_code, reply.json()["error"]["type"]) == (504, "timeout")


async def test_a_failure_amid_a_stream_is_told_in_it() -> None:
    begun = {"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]}
    async with far(OK, chunk(frame(begun) + frame({"error": "gone"}))) as (client, _):
        reply = await client.post(CHAT, json={**ASKED, "stream": True})
    assert reply.status_code == 200
    *_, last, rest = reply.text.split("\n\n")
    assert (rest, '"bad_gateway"' in last, "gone" in last) == ("", True, True)


async def test_what_it_cannot_be_asked_is_refused_by_name() -> None:
    async with far(*GREETING) as (client, server):
        reply = await client.post(CHAT, json={**ASKED, "top_k": 40})
        tokens = await client.post("/tokenize", json={"model": "far", "prompt": "Hi"})
        counted = await client.post("/v1/messages/count_tokens", json=ASKED)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "top_k")
    assert (tokens.status_code, counted.status_code) == (501, 501)
    assert not server.requests


async def test_keys_hold_for_it_too() -> None:
    keys = read_table('{"sk-1": {"user": "a", "permissions": ["completions"]}}')
    async with far(*GREETING, keys=keys, api_key="sk-far") as (client, server):
        nobody = await client.post(CHAT, json=ASKED)
        headers = {"Authorization": "Bearer sk-1"}
        wrong = await client.post(CHAT, json=ASKED, headers=headers)
        body = {"model": "far", "prompt": "Hi"}
        right = await client.post("/v1/completions", json=body, headers=headers)
    assert [reply.status_code for reply in (nobody, wrong, right)] == [401, 403, 200]
    # What a client shows us is not shown to others.
    (received,) = server.requests
    assert received.headers["authorization"] == "Bearer sk-far"


async def test_there_is_nothing_to_load() -> None:
    async with far(*GREETING) as (client, server):
        chat = await client.post("/api/chat", json={"model": "far", "keep_alive": 0})
        generate = await client.post("/api/generate", json={"model": "far"})
    assert (chat.status_code, generate.status_code) == (200, 200)
    assert generate.json()["done"] is True
    assert not server.requests
