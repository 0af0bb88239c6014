"""POST /chat: one message in, one text out."""

import json
from typing import Any

import httpx
import pytest

from server.core.errors import ServerError
from server.core.messages import Conversation, UserMessage
from server.core.request import GenerationRequest
from tests.api.serving import app_on, client_of
from tests.fakes import HELLO, STARTED, ScriptedEngine, finished, part


async def ask(
    body: dict[str, Any],
    engine: ScriptedEngine | None = None,
    path: str = "/chat",
    headers: dict[str, str] | None = None,
    **options: Any,
) -> httpx.Response:
    async with client_of(app_on(engine or ScriptedEngine(), **options)) as client:
        return await client.post(path, json={"message": "Hi", **body}, headers=headers)


async def asked(
    body: dict[str, Any], headers: dict[str, str] | None = None, **options: Any
) -> GenerationRequest:
    """What the engine is asked."""
    engine = ScriptedEngine()
    assert (await ask(body, engine, headers=headers, **options)).status_code == 200
    return engine.requests[0]


async def test_answer_is_one_text():
    engine = ScriptedEngine(STARTED, *part(0, "reasoning", "Hm"), *part(1, "text", "A"), finished())
    assert (await ask({}, engine)).json() == {
        "response": "A",
        "model": "gpt-oss-20b",
        "usage": {"prompt_tokens": 10, "completion_tokens": 6, "total_tokens": 16},
        "finish_reason": "stop",
    }
    request = engine.requests[0]
    assert request.prompt == Conversation(messages=(UserMessage(text="Hi"),))
    assert (request.max_tokens, request.fit, request.effort) == (512, True, "medium")
    assert request.sampling.temperature == 0.7


async def test_why_an_answer_is_empty_is_told():
    engine = ScriptedEngine(STARTED, finished(warning="Nothing was written."))
    reply = (await ask({}, engine)).json()
    assert (reply["response"], reply["warning"]) == ("", "Nothing was written.")


@pytest.mark.parametrize(
    ("body", "options", "value"),
    [
        ({"max_tokens": 5}, {}, {"max_tokens": 5, "fit": False}),
        ({"max_tokens": -1}, {}, {"max_tokens": 512, "fit": True}),
        ({"max_tokens": None}, {"output_tokens_limit": 100}, {"max_tokens": 100}),
        ({"max_tokens": 0}, {"output_tokens_limit": 1000}, {"max_tokens": 512}),
        ({"reasoning": "high"}, {}, {"effort": "high"}),
        ({"reasoning": "LOW"}, {}, {"effort": "low"}),
        ({"reasoning": "none"}, {}, {"effort": "low", "reasoning_budget": 0}),
        ({"model": "gpt-oss:low"}, {}, {"effort": "low"}),
        ({"model": "gpt-oss:low", "reasoning": "high"}, {}, {"effort": "high"}),
        ({}, {"effort_default": "low"}, {"effort": "low"}),
    ],
)
async def test_field_is_honoured(
    body: dict[str, Any], options: dict[str, Any], value: dict[str, Any]
):
    request = await asked(body, **options)
    assert {name: getattr(request, name) for name in value} == value


async def test_temperature_and_header_are_honoured():
    assert (await asked({"temperature": 0})).sampling.temperature == 0
    header = {"x-reasoning-effort": "high"}
    assert (await asked({}, header)).effort == "high"
    assert (await asked({"reasoning": "low"}, header)).effort == "low"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"message": None}, "message"),
        ({"message": 5}, "message"),
        ({"reasoning": "much"}, "reasoning"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_tokens": 2000}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"stream_format": "xml"}, "stream_format"),
        ({"messages": []}, "messages"),
    ],
)
async def test_what_is_refused_is_named_in_both_shapes(body: dict[str, Any], param: str):
    response = await ask(body, output_tokens_limit=1000)
    assert response.status_code == 400
    reply = response.json()
    assert reply["error"]["param"] == param
    assert reply["detail"] == reply["error"]["message"]


@pytest.mark.parametrize(
    ("path", "body", "status", "echoed"),
    [
        ("/chat", {"model": "gpt-oss:20b"}, 200, "gpt-oss:20b"),
        ("/chat/gpt-oss", {}, 200, "gpt-oss"),
        ("/chat/gpt-oss:20b/", {"model": "devstral"}, 200, "gpt-oss:20b"),
        ("/chat/devstral", {"model": "gpt-oss"}, 404, None),
        ("/chat", {"model": "gemma3"}, 404, None),
    ],
)
async def test_model_is_in_the_address_or_in_the_body(
    path: str, body: dict[str, Any], status: int, echoed: str | None
):
    response = await ask(body, path=path)
    assert (response.status_code, response.json().get("model")) == (status, echoed)


async def stream(body: dict[str, Any], *texts: str, last: Any = None) -> str:
    script = (STARTED, *part(0, "reasoning", "Hm"), *part(1, "text", *texts))
    engine = ScriptedEngine(*script, last or finished())
    response = await ask({"stream": True, **body}, engine)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    return response.text


async def test_stream_is_raw_text():
    assert await stream({}, "Hel", "lo") == "data: Hel\n\ndata: lo\n\ndata: [DONE]\n\n"


async def test_new_lines_stay_in_their_event():
    told = await stream({}, " a\n\nb", "\n", "c\r\nd\re")
    assert told == (
        "data:  a\ndata: \ndata: b\n\n"
        "data: \ndata: \n\n"
        "data: c\ndata: d\ndata: e\n\n"
        "data: [DONE]\n\n"
    )


async def test_text_is_not_taken_for_the_end():
    told = await stream({}, "[DONE]", "more")
    assert told == "data: [\n\ndata: DONE]\n\ndata: more\n\ndata: [DONE]\n\n"


async def test_stream_can_be_of_objects():
    *frames, done, rest = (await stream({"stream_format": "json"}, "a\nb")).split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    text, end = (json.loads(frame.removeprefix("data: ")) for frame in frames)
    assert text == {"response": "a\nb", "done": False}
    assert (end["done"], end["model"], end["usage"]["total_tokens"]) == (True, "gpt-oss-20b", 16)


async def test_a_failure_is_told_in_the_stream():
    failure = ServerError("engine_failed", "The worker ended.")
    told = await stream({}, "a", last=failure)
    assert told.endswith("event: error\ndata: Error: The worker ended.\n\n")
    told = await stream({"stream_format": "json"}, "a", last=failure)
    last = json.loads(told.split("\n\n")[-2].removeprefix("data: "))
    assert (last["error"]["message"], last["detail"]) == ("The worker ended.",) * 2


async def test_get_names_the_right_method():
    async with client_of(app_on(ScriptedEngine(*HELLO))) as client:
        for path in ("/chat", "/chat/gpt-oss"):
            response = await client.get(path)
            assert (response.status_code, response.headers["allow"]) == (405, "POST")
