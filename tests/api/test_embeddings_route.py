"""POST /v1/embeddings on a scripted embedder: who may ask, which model answers, hang-ups."""

import asyncio
import json

import httpx
import openai
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from server.auth.key_text import read_table
from server.auth.keys import KeyTable
from server.core.errors import ServerError
from server.registry.entries import EmbedderEntry, Entry
from server.registry.registry import Registry
from tests.api.serving import CHAT, MESSAGES, app_on, client_of, listening
from tests.fakes import Pause, ScriptedEmbedder, ScriptedEngine

URL = "/v1/embeddings"
KEYS = read_table(
    json.dumps(
        {
            "sk-embedding": {"user": "a", "permissions": ["embeddings"]},
            "sk-chatting": {"user": "b", "permissions": ["chat"]},
        }
    )
)


def app_with(embedder: ScriptedEmbedder | None, keys: KeyTable | None = None) -> FastAPI:
    return app_on(ScriptedEngine(), keys, embedder)


async def post(
    body: object, embedder: ScriptedEmbedder | None, url: str = URL, **more: object
) -> httpx.Response:
    async with client_of(app_with(embedder)) as client:
        return await client.post(url, json=body, **more)


@pytest.mark.parametrize("url", [URL, "/embeddings", "/v1/embeddings/"])
async def test_texts_become_vectors(url: str):
    embedder = ScriptedEmbedder()
    reply = await post({"model": "nomic", "input": ["a", "bcd"]}, embedder, url)
    assert reply.status_code == 200
    assert reply.json() == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [1.0, 0.0]},
            {"object": "embedding", "index": 1, "embedding": [1.0, 0.0]},
        ],
        "model": "nomic",
        "usage": {"prompt_tokens": 4, "total_tokens": 4},
    }
    (request,) = embedder.requests
    assert request.inputs == ("a", "bcd")


@pytest.mark.parametrize(
    ("asked", "said"),
    [("nomic", "nomic"), ("NOMIC", "NOMIC"), (None, "nomic"), ("gpt-oss:20b", "nomic")],
)
async def test_the_embedding_model_answers_for_the_one_that_chats(asked: str | None, said: str):
    reply = await post({"model": asked, "input": "a"}, ScriptedEmbedder())
    assert reply.json()["model"] == said


async def test_an_unknown_model_is_not_found():
    reply = await post({"model": "ada-002", "input": "a"}, ScriptedEmbedder())
    assert reply.status_code == 404
    assert "gpt-oss-20b, nomic" in reply.json()["error"]["message"]


@pytest.mark.parametrize("model", ["gpt-oss-20b", "ada-002", None])
async def test_without_an_embedding_model_it_is_not_implemented(model: str | None):
    reply = await post({"model": model, "input": "a"}, None)
    assert reply.status_code == 501
    assert reply.headers["x-should-retry"] == "false"
    error = reply.json()["error"]
    assert error["type"] == "not_implemented_error"
    assert error["code"] == "embeddings_backend_unavailable"
    assert "EMBEDDING_MODEL_PATH" in error["message"]


async def test_the_official_client_asks_once_where_there_is_nothing():
    app = app_with(None)
    asked = 0

    async def counted(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        asked += scope["type"] == "http"
        await app(scope, receive, send)

    async with (
        listening(counted) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="x", max_retries=2) as client,
    ):
        with pytest.raises(openai.InternalServerError, match="EMBEDDING_MODEL_PATH") as caught:
            await client.embeddings.create(model="gpt-oss-20b", input="a")
    assert caught.value.status_code == 501
    assert asked == 1


async def test_the_embedding_model_does_not_chat():
    reply = await post({"model": "nomic", "messages": MESSAGES}, ScriptedEmbedder(), CHAT)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "model"
    assert "makes embeddings and cannot write" in reply.json()["error"]["message"]


async def test_both_models_are_listed_with_what_they_do():
    async with client_of(app_with(ScriptedEmbedder())) as client:
        listed = (await client.get("/v1/models")).json()["data"]
        one = (await client.get("/v1/models/nomic")).json()
        health = (await client.get("/health")).json()
    assert [(each["id"], each["capabilities"]) for each in listed] == [
        ("gpt-oss-20b", ["chat"]),
        ("nomic", ["embeddings"]),
    ]
    assert one["meta"]["embedding_length"] == 2
    assert one["meta"]["pooling"] == "mean"
    assert set(health["models"]) == {"gpt-oss-20b", "nomic"}
    assert health["model"] == "gpt-oss-20b"


@pytest.mark.parametrize(("key", "status"), [("sk-embedding", 200), ("sk-chatting", 403)])
async def test_a_key_needs_the_permission(key: str, status: int):
    async with client_of(app_with(ScriptedEmbedder(), KEYS)) as client:
        headers = {"Authorization": f"Bearer {key}"}
        reply = await client.post(URL, json={"input": "a"}, headers=headers)
    assert reply.status_code == status


async def test_what_the_embedder_refuses_is_told():
    refusal = ServerError("context_too_long", "input[0] has 9 tokens.", param="input")
    reply = await post({"input": "a"}, ScriptedEmbedder(refusal))
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "context_length_exceeded"
    assert reply.json()["error"]["param"] == "input"


async def test_a_bad_body_asks_the_embedder_nothing():
    embedder = ScriptedEmbedder()
    reply = await post({"input": []}, embedder)
    assert reply.status_code == 400
    assert embedder.requests == []


async def test_a_failure_nobody_foresaw_is_an_answer_too():
    reply = await post({"input": "a"}, ScriptedEmbedder(ZeroDivisionError("secret")))
    assert reply.status_code == 500
    assert "secret" not in reply.text


async def test_leaving_cancels():
    pause = Pause()
    embedder = ScriptedEmbedder(pause)
    async with listening(app_with(embedder)) as url:
        host, port = url.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        content = b'{"input": "a"}'
        head = f"POST {URL} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        await writer.drain()
        await pause.reached.wait()
        assert not embedder.left.is_set()
        writer.close()
        await embedder.left.wait()


async def test_the_registry_starts_and_closes_both():
    embedder = ScriptedEmbedder(state="stopped")
    app = app_with(embedder)
    registry = app.state.service.registry
    await registry.start()
    assert [entry.engine.status().state for entry in registry.served()] == ["ready", "ready"]
    await registry.close()
    assert [entry.engine.status().state for entry in registry.served()] == ["stopped", "stopped"]


def test_two_models_cannot_have_one_name():
    entry = Entry(name="one", engine=ScriptedEngine(), created=1, aliases=("nomic",))
    second = EmbedderEntry(name="Nomic", engine=ScriptedEmbedder(), created=2)
    with pytest.raises(ValueError, match="the name nomic stands for two models"):
        Registry([entry, second], "one")
