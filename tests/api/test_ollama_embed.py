"""Embeddings in Ollama's words, as the real ollama package and a plain HTTP client see them."""

from typing import Any

import httpx
import ollama
import pytest

from tests.api.serving import MESSAGES, app_on, client_of, listening
from tests.fakes import ScriptedEmbedder, ScriptedEngine


async def ask(path: str, body: dict[str, Any], embedder: ScriptedEmbedder) -> httpx.Response:
    async with client_of(app_on(ScriptedEngine(), embedder=embedder)) as client:
        return await client.post(path, json={"model": "nomic", **body})


async def test_the_package_gets_its_vectors():
    embedder = ScriptedEmbedder()
    app = app_on(ScriptedEngine(), embedder=embedder)
    async with listening(app) as url, ollama.AsyncClient(host=url) as client:
        many = await client.embed(model="nomic", input=["a", "bcd"], dimensions=2)
        one = await client.embed(model="gpt-oss:20b", input="xy", truncate=False)
        older = await client.embeddings(model="nomic:latest", prompt="x")
        listed = (await client.list()).models
        shown = await client.show("nomic")
        with pytest.raises(ollama.ResponseError, match='"nomic" does not support chat'):
            await client.chat(model="nomic", messages=MESSAGES)
    assert (many.model, many.embeddings, many.prompt_eval_count) == ("nomic", [[1, 0], [1, 0]], 4)
    assert many.total_duration > 0
    assert (one.model, one.embeddings) == ("gpt-oss:20b", [[1, 0]])
    assert older.embedding == [1, 0]
    assert [request.inputs for request in embedder.requests] == [("a", "bcd"), ("xy",), ("x",)]
    assert [request.truncate for request in embedder.requests] == [True, False, True]
    assert embedder.requests[0].dimensions == 2
    assert "nomic:latest" in [model.model for model in listed]
    assert shown.capabilities == ["embedding"]
    assert shown.modelinfo["bert.embedding_length"] == 2


@pytest.mark.parametrize("given", [{}, {"input": ""}, {"input": []}, {"prompt": ""}])
async def test_nothing_has_no_vectors(given: dict[str, Any]):
    embedder = ScriptedEmbedder()
    reply = await ask("/api/embed", given, embedder)
    assert (reply.status_code, reply.json()["embeddings"]) == (200, [])
    older = await ask("/api/embeddings", given, embedder)
    assert older.json() == {"embedding": []}
    assert embedder.requests == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"input": 7}, "invalid input type"),
        ({"input": ["a", 7]}, "invalid input type"),
        ({"input": {"a": 1}}, "invalid input type"),
        ({"input": ["a", ""]}, "input[1] is an empty text; leave it out"),
        ({"input": "a", "dimensions": 0}, "dimensions must be at least 1"),
    ],
)
async def test_what_is_wrong_is_told_in_one_string(given: dict[str, Any], words: str):
    reply = await ask("/api/embed", given, ScriptedEmbedder())
    assert (reply.status_code, reply.json()) == (400, {"error": words})


async def test_an_unknown_model_is_not_found():
    reply = await ask("/api/embed", {"model": "llama3", "input": "a"}, ScriptedEmbedder())
    assert (reply.status_code, reply.json()) == (404, {"error": "model 'llama3' not found"})
