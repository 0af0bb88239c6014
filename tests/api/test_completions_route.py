"""POST /v1/completions as a plain HTTP client sees it: statuses, models' names, bodies, streams."""

import json
from typing import Any

import httpx
import pytest

from server.auth.key_text import read_table
from server.core.errors import ServerError
from server.core.messages import Conversation, RawPrompt
from tests.api.serving import CHAT, MESSAGES, app_on, client_of
from tests.fakes import HELLO, STARTED, ScriptedEngine, finished, part

COMPLETIONS = "/v1/completions"
KEYED = (
    '{"sk-chat": {"user": "a", "permissions": ["chat"]},'
    ' "sk-complete": {"user": "b", "permissions": ["completions"]}}'
)


async def ask(
    body: dict[str, Any], engine: ScriptedEngine | None = None, path: str = COMPLETIONS, **more: Any
) -> httpx.Response:
    async with client_of(app_on(engine or ScriptedEngine(), **more)) as client:
        return await client.post(path, json={"prompt": "Hi", **body})


def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    *frames, done, rest = response.text.split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    return [json.loads(frame.removeprefix("data: ")) for frame in frames]


async def test_body_is_a_text_completion():
    engine = ScriptedEngine()
    response = await ask({}, engine)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    reply = response.json()
    assert reply["id"].startswith("cmpl-")
    assert (reply["object"], reply["model"]) == ("text_completion", "gpt-oss-20b")
    assert reply["choices"] == [
        {"text": "Hello", "index": 0, "logprobs": None, "finish_reason": "stop"}
    ]
    assert reply["usage"]["total_tokens"] == 16
    assert engine.requests[0].prompt == RawPrompt(content="Hi")


@pytest.mark.parametrize(
    ("path", "body", "echoed"),
    [
        ("/completions", {"model": "gpt-oss"}, "gpt-oss"),
        ("/v1/completions/", {}, "gpt-oss-20b"),
        ("/v1//completions", {}, "gpt-oss-20b"),
        ("/v1/engines/gpt-oss:20b/completions", {}, "gpt-oss:20b"),
        ("/engines/gpt-oss/completions", {"model": "unknown"}, "gpt-oss"),
    ],
)
async def test_addresses_and_names(path: str, body: dict[str, Any], echoed: str):
    response = await ask(body, path=path)
    assert (response.status_code, response.json()["model"]) == (200, echoed)


@pytest.mark.parametrize(
    ("path", "body"),
    [(COMPLETIONS, {"model": "gpt-9"}), ("/v1/engines/gpt-9/completions", {"model": "gpt-oss"})],
)
async def test_unknown_model_is_not_found(path: str, body: dict[str, Any]):
    response = await ask(body, path=path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


async def test_stream_is_server_sent_events():
    response = await ask({"stream": True, "stream_options": {"include_usage": True}})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    *told, last = chunks(response)
    assert {chunk["object"] for chunk in told} == {"text_completion"}
    assert "".join(chunk["choices"][0]["text"] for chunk in told) == "Hello"
    assert [chunk["choices"][0]["finish_reason"] for chunk in told] == [None, None, "stop"]
    assert (last["choices"], last["usage"]["prompt_tokens"]) == ([], 10)


async def test_choices_are_counted_through_all_prompts():
    scripts = {
        number: (STARTED, *part(0, "text", text), finished()) for number, text in enumerate("abcd")
    }
    engine = ScriptedEngine(by_request=scripts)
    reply = (await ask({"prompt": ["x", "y"], "n": 2}, engine)).json()
    assert [(choice["index"], choice["text"]) for choice in reply["choices"]] == [
        *enumerate("abcd")
    ]
    assert reply["usage"]["prompt_tokens"] == 20
    streamed = chunks(await ask({"prompt": ["x", "y"], "n": 2, "stream": True}, engine))
    assert {chunk["choices"][0]["index"] for chunk in streamed} == {0, 1, 2, 3}


@pytest.mark.parametrize(("prompt", "echo"), [("Hi ", "Hi "), ([7, 8, 26], "hia")])
async def test_prompt_comes_back_before_the_answer(prompt: Any, echo: str):
    body = {"prompt": prompt, "echo": True}
    assert (await ask(body)).json()["choices"][0]["text"] == f"{echo}Hello"
    streamed = chunks(await ask({**body, "stream": True}))
    assert "".join(chunk["choices"][0]["text"] for chunk in streamed) == f"{echo}Hello"


async def test_prompts_are_asked_as_messages_where_the_operator_says_so():
    engine = ScriptedEngine(STARTED, *part(0, "reasoning", "Hm"), *part(1, "text", "A"), finished())
    reply = (await ask({}, engine, completions_as_chat=True)).json()
    assert reply["choices"][0]["text"] == "A"
    assert isinstance(engine.requests[0].prompt, Conversation)


async def test_a_failure_amid_the_stream_is_told_in_it():
    failure = ServerError("engine_failed", "The worker ended.")
    response = await ask({"stream": True}, ScriptedEngine(*HELLO[:3], failure))
    assert response.status_code == 200
    last = response.text.split("\n\n")[-2]
    assert json.loads(last.removeprefix("data: "))["error"]["message"] == "The worker ended."


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"prompt": {}}, "prompt"),
        ({"echo": True, "logprobs": 1}, "logprobs"),
        ({"messages": MESSAGES}, "messages"),
    ],
)
async def test_what_is_refused_is_named(body: dict[str, Any], param: str):
    response = await ask(body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_a_key_needs_the_permission():
    async with client_of(app_on(ScriptedEngine(), read_table(KEYED))) as client:

        async def status(path: str, key: str, body: dict[str, Any]) -> int:
            response = await client.post(path, json=body, headers={"x-api-key": key})
            return response.status_code

        prompt, chat = {"prompt": "Hi"}, {"messages": MESSAGES}
        assert await status(COMPLETIONS, "sk-complete", prompt) == 200
        assert await status(COMPLETIONS, "sk-chat", prompt) == 403
        assert await status(CHAT, "sk-chat", chat) == 200
        assert await status(CHAT, "sk-complete", chat) == 403
        assert await status("/chat", "sk-chat", {"message": "Hi"}) == 200
        assert await status("/chat", "sk-complete", {"message": "Hi"}) == 403
        for key in ("sk-chat", "sk-complete"):
            assert await status("/tokenize", key, prompt) == 200
            assert await status("/detokenize", key, {"tokens": [1]}) == 200
            assert await status(f"{CHAT}/input_tokens", key, chat) == 200
        assert await status("/tokenize", "sk-none", prompt) == 401
