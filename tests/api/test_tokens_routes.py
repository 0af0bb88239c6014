"""Text to tokens and back over HTTP, in the words of three servers' clients."""

from typing import Any

import httpx
import pytest

from server.core.messages import Conversation, RawPrompt, UserMessage
from tests.api.serving import CHAT, MESSAGES, app_on, client_of
from tests.fakes import ScriptedEngine


async def post(
    path: str, body: Any, engine: ScriptedEngine | None = None, **more: Any
) -> httpx.Response:
    async with client_of(app_on(engine or ScriptedEngine(), **more)) as client:
        return await client.post(path, json=body)


@pytest.mark.parametrize("path", ["/tokenize", "/v1/tokenize", "/extras/tokenize"])
@pytest.mark.parametrize("field", ["prompt", "content", "input"])
async def test_text_is_tokenised(path: str, field: str):
    engine = ScriptedEngine()
    reply = (await post(path, {field: "Hi"}, engine)).json()
    assert reply == {
        "count": 10,
        "max_model_len": 8192,
        "tokens": list(range(10)),
        "token_strs": None,
    }
    assert engine.requests[0].prompt == RawPrompt(content="Hi")


async def test_tokens_can_be_spelt():
    reply = (await post("/tokenize", {"prompt": "Hi", "return_token_strs": True})).json()
    assert reply["token_strs"] == list("abcdefghij")


async def test_the_whole_prompt_of_a_chat_is_tokenised():
    engine = ScriptedEngine()
    tools = [{"type": "function", "function": {"name": "get"}}]
    assert (await post("/tokenize", {"messages": MESSAGES, "tools": tools}, engine)).is_success
    prompt = engine.requests[0].prompt
    assert isinstance(prompt, Conversation)
    assert prompt.messages == (UserMessage(text="Hi"),)
    assert [tool.name for tool in prompt.tools] == ["get"]


@pytest.mark.parametrize("path", ["/tokenize/count", "/extras/tokenize/count"])
@pytest.mark.parametrize("body", [{"input": "Hi"}, {"messages": MESSAGES}])
async def test_tokens_are_counted(path: str, body: dict[str, Any]):
    assert (await post(path, body)).json() == {"count": 10}


@pytest.mark.parametrize(
    "path",
    [f"{CHAT}/input_tokens", "/chat/completions/input_tokens", f"{CHAT}{CHAT[3:]}/input_tokens"],
)
async def test_tokens_of_a_chat_are_counted_as_elsewhere(path: str):
    engine = ScriptedEngine()
    reply = await post(path, {"model": "gpt-oss:high", "messages": MESSAGES, "n": 2}, engine)
    assert reply.json() == {"object": "response.input_tokens", "input_tokens": 10}
    assert engine.requests[0].effort == "high"
    assert engine.running == 0


async def test_tokens_of_a_response_are_counted_and_nothing_is_stored():
    engine = ScriptedEngine()
    async with client_of(app_on(engine)) as client:
        reply = await client.post("/v1/responses/input_tokens", json={"input": "Hi"})
        assert reply.json() == {"object": "response.input_tokens", "input_tokens": 10}
        assert (await client.get(f"/v1/responses/{engine.requests[0].id}")).status_code == 404
        missing = await client.post("/v1/responses/input_tokens", json={})
        assert missing.json()["error"]["param"] == "input"


async def test_ids_are_text_under_every_name():
    reply = (await post("/detokenize", {"tokens": [7, 8]})).json()
    assert reply == {"prompt": "hi", "content": "hi", "text": "hi"}
    assert (await post("/detokenize", {"tokens": []})).json()["text"] == ""


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": 5}, "prompt"),
        ("/tokenize", {"prompt": "a", "parse_special": True}, "parse_special"),
        ("/tokenize", {"prompt": "a", "with_pieces": True}, "with_pieces"),
        ("/tokenize", {"messages": []}, "messages"),
        (
            "/tokenize",
            {"messages": MESSAGES, "add_generation_prompt": False},
            "add_generation_prompt",
        ),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": "hi"}, "tokens"),
        ("/detokenize", {"tokens": [1, "a"]}, "tokens[1]"),
        ("/detokenize", {"tokens": [1, -1]}, "tokens[1]"),
        (f"{CHAT}/input_tokens", {}, "messages"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(path: str, body: dict[str, Any], param: str):
    response = await post(path, body)
    assert (response.status_code, response.json()["error"]["param"]) == (400, param)


async def test_unknown_fields_are_refused_where_the_operator_says_so():
    body = {"prompt": "a", "add_special_tokens": True, "made_up": 1}
    assert (await post("/tokenize", body)).is_success
    response = await post("/tokenize", body, strict_params=True)
    assert response.json()["error"]["param"] == "made_up"


async def test_a_model_that_is_not_there_is_told():
    assert (await post("/tokenize", {"prompt": "a", "model": "b"})).status_code == 404
    assert (
        await post("/tokenize", {"prompt": "a"}, ScriptedEngine(state="loading"))
    ).status_code == 503
