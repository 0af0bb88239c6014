"""Ollama's interface as the real ollama package and a plain HTTP client see it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import ollama
import pytest

from server.api.ollama_door import OllamaDoor
from server.auth.key_text import read_table
from server.core.errors import ErrorKind, ServerError
from server.core.ports import EngineState
from tests.api.serving import MESSAGES, app_on, client_of, listening
from tests.fakes import HELLO, STARTED, Pause, ScriptedEngine, finished, part

MODEL = "gpt-oss:20b"
THINKING = (STARTED, *part(0, "reasoning", "Hm."), *HELLO[1:])
TOOL_SCRIPT = (
    STARTED,
    *part(0, "reasoning", "Look it up."),
    *part(1, "preamble", "I will look."),
    *part(2, "tool_call", '{"city":', '"Рим"}', call_id="call_a", name="get_weather"),
    finished("tool_calls"),
)


def get_weather(city: str) -> str:
    """Weather of a city."""
    return city


@asynccontextmanager
async def client_on(
    engine: ScriptedEngine, keys: Any = None, **headers: str
) -> AsyncIterator[ollama.AsyncClient]:
    async with (
        listening(app_on(engine, keys)) as url,
        ollama.AsyncClient(host=url, headers=headers) as client,
    ):
        yield client


async def ask(
    engine: ScriptedEngine, path: str, body: dict[str, Any] | None = None, **more: Any
) -> httpx.Response:
    async with client_of(app_on(engine, **more)) as client:
        if body is None:
            return await client.get(path)
        return await client.post(path, json={"model": MODEL, **body})


@pytest.mark.parametrize(
    ("model", "told"),
    [(MODEL, MODEL), ("GPT-OSS:latest", "GPT-OSS:latest"), ("unknown", "gpt-oss-20b")],
)
async def test_reply_names_the_model_that_answered(model: str, told: str):
    async with client_of(app_on(ScriptedEngine(), forgiving=True)) as client:
        for path, body in (("chat", {"messages": MESSAGES}), ("generate", {"prompt": "Hi"})):
            asked = {"model": model, "stream": False, **body}
            assert (await client.post(f"/api/{path}", json=asked)).json()["model"] == told


async def test_whole_chat():
    async with client_on(ScriptedEngine(*THINKING)) as client:
        reply = await client.chat(model=MODEL, messages=MESSAGES)
    assert (reply.model, reply.done, reply.done_reason) == (MODEL, True, "stop")
    assert (reply.message.content, reply.message.thinking) == ("Hello", "Hm.")
    assert (reply.prompt_eval_count, reply.eval_count) == (10, 6)


async def test_streamed_chat():
    async with client_on(ScriptedEngine(*THINKING)) as client:
        parts = [
            part async for part in await client.chat(model=MODEL, messages=MESSAGES, stream=True)
        ]
    assert [part.message.thinking for part in parts] == ["Hm.", None, None, None]
    assert [part.message.content for part in parts] == ["", "Hel", "lo", ""]
    assert [part.done for part in parts] == [False, False, False, True]


async def test_tool_calls():
    engine = ScriptedEngine(*TOOL_SCRIPT)
    async with client_on(engine) as client:
        asked = {"model": MODEL, "messages": MESSAGES, "tools": [get_weather]}
        message = (await client.chat(**asked)).message
        parts = [part async for part in await client.chat(**asked, stream=True)]
    (call,) = message.tool_calls
    assert (call.function.name, call.function.arguments) == ("get_weather", {"city": "Рим"})
    assert message.content == "I will look."
    assert [part.message.tool_calls[0] for part in parts if part.message.tool_calls] == [call]
    (tool,) = engine.requests[0].conversation.tools
    assert (tool.name, tool.description) == ("get_weather", "Weather of a city.")
    assert tool.parameters["required"] == ["city"]


async def test_generate_remembers_by_its_context():
    engine = ScriptedEngine()
    async with client_on(engine) as client:
        first = await client.generate(model=MODEL, prompt="I am Wolfgang.", system="Be kind.")
        await client.generate(model=MODEL, prompt="Who am I?", context=first.context)
        parts = [
            part async for part in await client.generate(model=MODEL, prompt="Hi", stream=True)
        ]
    assert first.response == "Hello"
    texts = [message.text for message in engine.requests[1].conversation.messages]
    assert texts == ["Be kind.", "I am Wolfgang.", "Hello", "Who am I?"]
    assert [part.response for part in parts] == ["Hel", "lo", ""]


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
async def test_stream_is_lines_of_json(path: str):
    response = await ask(ScriptedEngine(), path, {"messages": MESSAGES, "prompt": "Hi"})
    assert response.headers["content-type"] == "application/x-ndjson"
    lines = response.text.split("\n")
    assert lines.pop() == ""
    assert [json.loads(line)["done"] for line in lines] == [False, False, True]
    whole = {"messages": MESSAGES, "prompt": "Hi", "stream": False}
    response = await ask(ScriptedEngine(), path, whole)
    assert response.headers["content-type"] == "application/json"
    assert response.json()["done"] is True


async def test_package_reads_characters_that_look_like_ends_of_lines():
    text = "a\x85b\u2028c\u2029d\x0b\x0ce\x1cf\r\ng"
    engine = ScriptedEngine(STARTED, *part(0, "text", text), finished())
    async with client_on(engine) as client:
        parts = [
            part async for part in await client.chat(model=MODEL, messages=MESSAGES, stream=True)
        ]
    assert "".join(part.message.content for part in parts) == text


async def test_silence_is_not_filled():
    """A blank line breaks Ollama's clients: they read every line as JSON."""
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *HELLO[1:])
    async with (
        listening(app_on(engine, ping_seconds=0.001)) as url,
        httpx.AsyncClient(base_url=url) as client,
        client.stream("POST", "/api/chat", json={"model": MODEL, "messages": MESSAGES}) as reply,
    ):
        await pause.reached.wait()
        # Were there pings, one would have come long before a second request was answered.
        assert (await client.get("/api/version")).status_code == 200
        pause.go.set()
        lines = [line async for line in reply.aiter_lines()]
    assert [json.loads(line)["done"] for line in lines] == [False, False, True]


async def test_client_that_leaves_ends_the_answer():
    pause = Pause()
    engine = ScriptedEngine(*HELLO[:3], pause)
    async with client_on(engine) as client:
        parts = await client.chat(model=MODEL, messages=MESSAGES, stream=True)
        await anext(parts)
        await parts.aclose()
        await engine.left.wait()
    assert engine.running == 0


async def test_failure_amid_a_stream_is_raised():
    script = (*HELLO[:3], ServerError("engine_failed", "The worker died."))
    async with client_on(ScriptedEngine(*script)) as client:
        with pytest.raises(ollama.ResponseError, match=r"^The worker died\."):
            async for _ in await client.chat(model=MODEL, messages=MESSAGES, stream=True):
                pass


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        ("invalid", 400, "No."),
        ("context_too_long", 400, "the input length exceeds the context length: No."),
        ("busy", 503, "server busy, please try again.  maximum pending requests exceeded: No."),
        ("loading", 503, "No."),
        ("engine_failed", 500, "No."),
    ],
)
async def test_refusal_is_raised(kind: ErrorKind, status: int, words: str, stream: bool):
    async def answer() -> None:
        reply = await client.chat(model=MODEL, messages=MESSAGES, stream=stream)
        if stream:
            await anext(reply)

    async with client_on(ScriptedEngine(ServerError(kind, "No."))) as client:
        with pytest.raises(ollama.ResponseError) as caught:
            await answer()
    assert (caught.value.status_code, caught.value.error) == (status, words)


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/api/chat", {"model": "llama3"}, 404, "model 'llama3' not found"),
        ("/api/generate", {"model": "llama3:8b"}, 404, "model 'llama3:8b' not found"),
        ("/api/show", {"model": "llama3"}, 404, "model 'llama3' not found"),
        ("/api/embed", {"model": "llama3"}, 404, "model 'llama3' not found"),
        ("/api/chat", {"model": ""}, 400, "model is required"),
        ("/api/show", {"model": None}, 400, "model is required"),
        ("/api/embed", {"input": "Hi"}, 501, "this model does not support embeddings"),
        ("/api/embeddings", {"prompt": "Hi"}, 501, "this model does not support embeddings"),
        ("/api/nothing", {}, 404, "Unknown URL: POST /api/nothing. See /docs for what there is."),
        ("/api/tags", {}, 405, "Not allowed: POST /api/tags. This URL takes GET."),
    ],
)
async def test_refusal_is_one_string(path: str, body: dict[str, Any], status: int, words: str):
    response = await ask(ScriptedEngine(), path, body)
    assert (response.status_code, response.json()) == (status, {"error": words})


async def test_refusal_is_in_the_same_words_below_a_root_path():
    app = app_on(ScriptedEngine())
    app.root_path = "/gpt"
    async with client_of(app) as client:
        response = await client.post("/gpt/api/chat", json={})
    assert (response.status_code, response.json()) == (400, {"error": "model is required"})


async def test_what_will_fail_again_is_not_to_be_tried_again():
    response = await ask(ScriptedEngine(), "/api/embed", {"input": "Hi"})
    assert response.headers["x-should-retry"] == "false"


async def test_empty_and_broken_bodies():
    async with client_of(app_on(ScriptedEngine())) as client:
        empty = await client.post("/api/chat")
        broken = await client.post("/api/chat", content=b"{")
    assert (empty.status_code, empty.json()) == (400, {"error": "missing request body"})
    assert broken.status_code == 400
    assert broken.json()["error"].startswith("The request body is not valid JSON")


@pytest.mark.parametrize(
    "name",
    ["gpt-oss", "gpt-oss:latest", "GPT-OSS:20b", "gpt-oss-20b:latest", "library/gpt-oss:20b"],
)
async def test_model_by_any_name_is_echoed(name: str):
    response = await ask(ScriptedEngine(), "/api/chat", {"model": name, "messages": MESSAGES})
    assert json.loads(response.text.split("\n")[0])["model"] == name


async def test_request_of_nothing_generates_nothing():
    engine = ScriptedEngine()
    async with client_on(engine) as client:
        loaded = await client.generate(model=MODEL)
        unloaded = await client.chat(model=MODEL, keep_alive=0)
    assert (loaded.response, loaded.done_reason) == ("", "load")
    assert (unloaded.message.content, unloaded.done_reason) == ("", "unload")
    assert engine.requests == []


@pytest.mark.parametrize(("state", "status"), [("loading", 503), ("failed", 500)])
async def test_model_that_cannot_answer(state: EngineState, status: int):
    engine = ScriptedEngine(state=state, card=None)
    for path in ("/api/generate", "/api/show"):
        assert (await ask(engine, path, {})).status_code == status
    assert (await ask(engine, "/api/ps")).json() == {"models": []}
    assert len((await ask(engine, "/api/tags")).json()["models"]) == 2


async def test_models_as_the_package_reads_them():
    async with client_on(ScriptedEngine()) as client:
        listed = await client.list()
        running = await client.ps()
        shown = await client.show(MODEL)
    assert [model.model for model in listed.models] == ["gpt-oss-20b:latest", MODEL]
    assert [model.model for model in running.models] == ["gpt-oss-20b:latest", MODEL]
    assert running.models[0].context_length == 8192
    assert shown.capabilities == ["completion", "tools", "thinking"]
    assert shown.modelinfo["gpt-oss.context_length"] == 8192


@pytest.mark.parametrize("path", ["/api/tags", "/api/version"])
async def test_head_is_answered(path: str):
    async with client_of(app_on(ScriptedEngine())) as client:
        assert (await client.head(path)).status_code == 200


async def test_keys_are_asked_for():
    keys = read_table(
        '{"sk-1": {"user": "a", "permissions": ["all"]},'
        ' "sk-2": {"user": "b", "permissions": ["models"]}}'
    )
    async with client_on(ScriptedEngine(), keys, authorization="Bearer sk-1") as client:
        assert (await client.chat(model=MODEL, messages=MESSAGES)).message.content == "Hello"
    for key, status in ((None, 401), ("sk-2", 403)):
        headers = {"x-api-key": key} if key else {}
        async with client_of(app_on(ScriptedEngine(), keys)) as client:
            refused = await client.post("/api/chat", json={"model": MODEL}, headers=headers)
            tags = await client.get("/api/tags", headers=headers)
        assert refused.status_code == status
        assert isinstance(refused.json()["error"], str)
        assert tags.status_code == (200 if key else 401)


@asynccontextmanager
async def door_client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    door: Any = OllamaDoor(app_on(ScriptedEngine()), port=11434)
    transport = httpx.ASGITransport(door)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://test:{port}") as client:
        yield client


async def test_second_door_is_ollama():
    async with door_client(11434) as client:
        for method in ("GET", "HEAD"):
            response = await client.request(method, "/")
            assert response.status_code == 200
            assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert (await client.get("/")).text == "Ollama is running"
        assert (await client.post("/")).status_code == 405
        for path in ("/api/tags", "/v1/models", "/api//version/"):
            assert (await client.get(path)).status_code == 200
        for path in ("/health", "/docs", "/models", "/openapi.json", "/nothing"):
            response = await client.get(path)
            assert (response.status_code, response.text) == (404, "404 page not found")


async def test_first_door_is_untouched():
    async with door_client(8000) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/api/tags")).status_code == 200
        assert (await client.get("/")).json()["status"] == "ok"
