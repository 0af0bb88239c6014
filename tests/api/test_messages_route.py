"""POST /v1/messages as the real anthropic package and a plain HTTP client see it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import httpx
import pytest

from server.auth.key_text import read_table
from server.core.errors import ErrorKind, ServerError
from tests.api.serving import MESSAGES, app_on, client_of, listening
from tests.fakes import HELLO, STARTED, Pause, ScriptedEngine, finished, part

ROUTE = "/v1/messages"
BODY = {"max_tokens": 100, "messages": MESSAGES}
TOOLS = [{"name": "get_weather", "input_schema": {"type": "object"}}]
THINKING = {"type": "enabled", "budget_tokens": 1024}
TOOL_SCRIPT = (
    STARTED,
    *part(0, "reasoning", "Look it up."),
    *part(1, "preamble", "I will look."),
    *part(2, "tool_call", '{"city":', '"Рим"}', call_id="call_a", name="get_weather"),
    *part(3, "tool_call", "{}", call_id="call_b", name="get_weather"),
    finished("tool_calls"),
)


async def ask(engine: ScriptedEngine, body: dict[str, Any], path: str = ROUTE) -> httpx.Response:
    async with client_of(app_on(engine)) as client:
        return await client.post(path, json={**BODY, **body}, headers={"X-Request-ID": "mine"})


@asynccontextmanager
async def client_on(
    engine: ScriptedEngine, keys: Any = None, **options: Any
) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with (
        listening(app_on(engine, keys, **options)) as url,
        anthropic.AsyncAnthropic(base_url=url, api_key="sk-1", max_retries=0) as client,
    ):
        yield client


async def create(client: anthropic.AsyncAnthropic, **more: Any) -> Any:
    return await client.messages.create(model="gpt-oss-20b", **{**BODY, **more})


async def test_whole_message():
    async with client_on(ScriptedEngine()) as client:
        message = await create(client)
    assert message.id.startswith("msg_")
    assert (message.type, message.role, message.model) == ("message", "assistant", "gpt-oss-20b")
    assert [block.text for block in message.content] == ["Hello"]
    assert message.stop_reason == "end_turn"
    usage = message.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (6, 4, 6)
    assert message._request_id.startswith("req_")


@pytest.mark.parametrize("path", ["/messages", "/v1/messages/", "//v1//messages"])
async def test_untidy_addresses(path: str):
    response = await ask(ScriptedEngine(), {}, path)
    assert response.status_code == 200
    assert response.json()["content"] == [{"type": "text", "text": "Hello"}]


async def test_tool_calls_and_thinking():
    async with client_on(ScriptedEngine(*TOOL_SCRIPT)) as client:
        message = await create(client, tools=TOOLS, thinking=THINKING)
    assert message.stop_reason == "tool_use"
    thinking, text, first, second = message.content
    assert (thinking.thinking, text.text) == ("Look it up.", "I will look.")
    assert (first.id, first.name, first.input) == ("call_a", "get_weather", {"city": "Рим"})
    assert second.input == {}


@pytest.mark.parametrize("thinking", [THINKING, {"type": "disabled"}])
async def test_package_builds_the_same_message_from_the_stream(thinking: Any):
    asked = {**BODY, "model": "gpt-oss-20b", "tools": TOOLS, "thinking": thinking}
    async with client_on(ScriptedEngine(*TOOL_SCRIPT)) as client:
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as stream:
            kinds = [event.type async for event in stream]
            built = await stream.get_final_message()
    assert built.model_dump(exclude={"id", "content"}) == whole.model_dump(
        exclude={"id", "content"}
    )
    plain = [block.model_dump(exclude={"signature"}, exclude_none=True) for block in whole.content]
    assert [
        block.model_dump(exclude={"signature"}, exclude_none=True) for block in built.content
    ] == plain
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


async def test_stream_is_server_sent_events_with_names():
    response = await ask(ScriptedEngine(), {"stream": True})
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    frames = response.text.split("\n\n")
    assert frames.pop() == ""
    names = [frame.split("\n")[0].removeprefix("event: ") for frame in frames]
    assert names == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


async def test_silence_is_filled_with_pings():
    pause = Pause()
    engine = ScriptedEngine(STARTED, pause, *HELLO[1:])
    async with client_on(engine, ping_seconds=0.01) as client:
        stream = await client.messages.with_raw_response.create(
            model="gpt-oss-20b", stream=True, **BODY
        )
        lines = stream.http_response.aiter_lines()
        async for line in lines:
            if line == "event: ping":
                pause.go.set()
            if line == "event: message_stop":
                break
    assert pause.go.is_set()


async def test_failure_amid_a_stream_is_raised():
    script = (*HELLO[:3], ServerError("engine_failed", "The worker died."))
    async with client_on(ScriptedEngine(*script)) as client:
        stream = await create(client, stream=True)
        with pytest.raises(anthropic.APIStatusError, match=r"The worker died\.") as caught:
            async for _ in stream:
                pass
    assert caught.value.body["error"]["type"] == "api_error"
    assert caught.value.body["request_id"].startswith("req_")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "status", "type_", "raised"),
    [
        ("invalid", 400, "invalid_request_error", anthropic.BadRequestError),
        ("context_too_long", 400, "invalid_request_error", anthropic.BadRequestError),
        ("busy", 529, "overloaded_error", anthropic.InternalServerError),
        ("loading", 529, "overloaded_error", anthropic.InternalServerError),
        ("engine_failed", 500, "api_error", anthropic.InternalServerError),
        ("timeout", 504, "timeout_error", anthropic.InternalServerError),
    ],
)
async def test_refusal_is_raised(
    kind: ErrorKind, status: int, type_: str, raised: type[Exception], stream: bool
):
    async with client_on(ScriptedEngine(ServerError(kind, "No."))) as client:
        with pytest.raises(raised, match=r"No\.") as caught:
            await create(client, stream=stream)
    assert caught.value.status_code == status
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"] == {"type": type_, "message": "No."}
    assert caught.value.request_id == caught.value.body["request_id"]


async def test_wrong_key_unknown_model_and_bad_value_are_raised():
    keys = read_table(
        '{"sk-1": {"user": "a", "permissions": ["all"]},'
        ' "sk-3": {"user": "b", "permissions": ["models"]}}'
    )
    async with client_on(ScriptedEngine(), keys) as client:
        with pytest.raises(anthropic.AuthenticationError, match="Invalid API key"):
            await create(client.with_options(api_key="sk-2"))
        with pytest.raises(anthropic.PermissionDeniedError, match="'chat'"):
            await create(client.with_options(api_key="sk-3"))
        with pytest.raises(anthropic.NotFoundError, match="model: The model 'claude-x'"):
            await client.messages.create(model="claude-x", **BODY)
        with pytest.raises(anthropic.BadRequestError, match="temperature"):
            await create(client, extra_body={"temperature": 3})
        bearer = client.with_options(api_key=None, auth_token="sk-1")
        assert (await create(bearer)).content[0].text == "Hello"


async def test_error_names_its_request():
    response = await ask(ScriptedEngine(), {"max_tokens": 0})
    assert response.status_code == 400
    assert response.json()["request_id"] == response.headers["request-id"] == "mine"
    response = await ask(ScriptedEngine(), {}, "/v1/messages/batches")
    assert response.json()["error"]["code"] == "unknown_url"


async def test_wrong_method_and_large_body_have_the_shape():
    async with client_of(app_on(ScriptedEngine(), max_body_bytes=1024)) as client:
        responses = [
            await client.get(ROUTE),
            await client.post(ROUTE, content=b"x" * 2000),
            await client.post(ROUTE, content=b"{"),
        ]
    shapes = [(r.status_code, r.json()["type"], r.json()["error"]["type"]) for r in responses]
    assert shapes == [
        (405, "error", "invalid_request_error"),
        (413, "error", "request_too_large"),
        (400, "error", "invalid_request_error"),
    ]


async def test_tokens_are_counted():
    engine = ScriptedEngine()
    async with client_on(engine) as client:
        asked = {"model": "gpt-oss-20b", "messages": MESSAGES, "tools": TOOLS, "system": "S"}
        counted = await client.messages.count_tokens(**asked)
        assert counted.input_tokens == 10
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.count_tokens(model="claude-x", messages=MESSAGES)
    assert engine.running == 0
    assert engine.requests[0].conversation.tools[0].name == "get_weather"


async def test_every_key_is_an_owner_of_its_own():
    keys = read_table(
        json.dumps({f"sk-{n}": {"user": "t", "permissions": ["chat"]} for n in (1, 2)})
    )
    engine = ScriptedEngine()
    async with client_of(app_on(engine, keys)) as client:
        for number in (1, 2):
            await client.post(ROUTE, json=BODY, headers={"x-api-key": f"sk-{number}"})
    assert len({request.owner for request in engine.requests}) == 2
