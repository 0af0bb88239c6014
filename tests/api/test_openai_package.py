"""The real openai package against the application over a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest

from server.auth.key_text import read_table
from server.core.errors import ServerError
from tests.api.serving import MESSAGES, app_on, listening
from tests.fakes import HELLO, STARTED, ScriptedEngine, finished, part

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]
TOOL_SCRIPT = (
    STARTED,
    *part(0, "reasoning", "Look it up."),
    *part(1, "preamble", "I will look."),
    *part(2, "tool_call", '{"city":', '"Рим"}', call_id="call_a", name="get_weather"),
    *part(3, "tool_call", "{}", call_id="call_b", name="get_weather"),
    finished("tool_calls"),
)


@asynccontextmanager
async def client_on(
    engine: ScriptedEngine, keys: Any = None, **options: Any
) -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        listening(app_on(engine, keys, **options)) as url,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="sk-1", max_retries=0) as client,
    ):
        yield client


async def create(client: openai.AsyncOpenAI, **more: Any) -> Any:
    return await client.chat.completions.create(model="gpt-oss-20b", messages=MESSAGES, **more)


async def test_plain_answer():
    async with client_on(ScriptedEngine()) as client:
        reply = await create(client)
    assert reply.choices[0].message.content == "Hello"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.prompt_tokens_details.cached_tokens == 4
    assert reply.usage.completion_tokens_details.reasoning_tokens == 2
    assert reply._request_id.startswith("req_")


async def test_streamed_answer_with_usage():
    async with client_on(ScriptedEngine()) as client:
        stream = await create(client, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "Hello"
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 16)


async def test_tool_calls():
    async with client_on(ScriptedEngine(*TOOL_SCRIPT)) as client:
        choice = (await create(client, tools=TOOLS)).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert [call.id for call in choice.message.tool_calls] == ["call_a", "call_b"]
    assert choice.message.tool_calls[0].function.arguments == '{"city":"Рим"}'
    assert choice.message.reasoning == "Look it up."


async def test_streamed_tool_calls_are_put_together_by_the_package():
    asked = {"model": "gpt-oss-20b", "messages": MESSAGES, "tools": TOOLS}
    async with (
        client_on(ScriptedEngine(*TOOL_SCRIPT)) as client,
        client.chat.completions.stream(**asked) as stream,
    ):
        choice = (await stream.get_final_completion()).choices[0]
    assert choice.finish_reason == "tool_calls"
    calls = [(call.id, call.function.arguments) for call in choice.message.tool_calls]
    assert calls == [("call_a", '{"city":"Рим"}'), ("call_b", "{}")]
    assert not choice.message.content


async def test_failure_amid_a_stream_is_raised():
    script = (*HELLO[:3], ServerError("engine_failed", "The worker died."))
    async with client_on(ScriptedEngine(*script)) as client:
        stream = await create(client, stream=True)
        with pytest.raises(openai.APIError, match=r"The worker died\.") as caught:
            async for _ in stream:
                pass
    assert caught.value.code == "server_error"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ServerError("invalid", "No.", param="x"), openai.BadRequestError),
        (ServerError("busy", "Full."), openai.InternalServerError),
        (ServerError("engine_failed", "Broken."), openai.InternalServerError),
    ],
)
async def test_refusal_is_raised(error: ServerError, raised: type[Exception], stream: bool):
    async with client_on(ScriptedEngine(error)) as client:
        with pytest.raises(raised, match=error.message) as caught:
            await create(client, stream=stream)
    assert caught.value.param == error.param
    assert caught.value.request_id.startswith("req_")


async def test_wrong_key_unknown_model_and_bad_value_are_raised():
    keys = read_table('{"sk-1": {"user": "a", "permissions": ["all"]}}')
    async with client_on(ScriptedEngine(), keys) as client:
        with pytest.raises(openai.AuthenticationError, match="Invalid API key"):
            await create(client.with_options(api_key="sk-2"))
        with pytest.raises(openai.NotFoundError, match="gpt-5"):
            await client.chat.completions.create(model="gpt-5", messages=MESSAGES)
        with pytest.raises(openai.BadRequestError, match="temperature"):
            await create(client, temperature=3)
        assert (await create(client)).choices[0].message.content == "Hello"


async def test_models():
    async with client_on(ScriptedEngine()) as client:
        assert [model.id async for model in client.models.list()] == ["gpt-oss-20b"]
        assert (await client.models.retrieve("gpt-oss:20b")).id == "gpt-oss:20b"
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("openai/gpt-9")
