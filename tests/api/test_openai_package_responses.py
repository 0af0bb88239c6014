"""The real openai package asks for Responses, against the application over a socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from server.auth.key_text import read_table
from server.core.errors import ServerError
from server.core.request import JsonOutput
from tests.api.serving import app_on, listening
from tests.fakes import HELLO, STARTED, Script, ScriptedEngine, finished, part

TOOLS = [
    {
        "type": "function",
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    }
]
CALLING: Script = (
    STARTED,
    *part(0, "reasoning", "Look it up."),
    *part(1, "preamble", "I will look."),
    *part(2, "tool_call", '{"city":', '"Рим"}', call_id="call_a", name="get_weather"),
    *part(3, "tool_call", '{"city":"Oslo"}', call_id="call_b", name="get_weather"),
    finished("tool_calls"),
)


class City(BaseModel):
    name: str
    people: int


JSON_SCRIPT: Script = (
    STARTED,
    *part(0, "reasoning", "JSON, then."),
    *part(1, "text", '{"name":"Рим",', '"people":5}'),
    finished(),
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
    return await client.responses.create(**{"model": "gpt-oss-20b", "input": "Hi", **more})


async def test_plain_answer():
    async with client_on(ScriptedEngine()) as client:
        response = await create(client, metadata={"a": "b"})
    assert response.output_text == "Hello"
    assert (response.status, response.metadata) == ("completed", {"a": "b"})
    assert response.usage.input_tokens_details.cached_tokens == 4
    assert response.usage.output_tokens_details.reasoning_tokens == 2
    assert response._request_id.startswith("req_")


async def test_streamed_events_are_known_to_the_package():
    async with client_on(ScriptedEngine(*CALLING)) as client:
        events = [event async for event in await create(client, tools=TOOLS, stream=True)]
    assert not [event for event in events if type(event).__name__ == "BaseModel"]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    assert {item.status for item in events[-1].response.output} == {"completed"}


async def test_stream_is_put_together_by_the_package():
    asked = {"model": "gpt-oss-20b", "input": "Hi", "tools": TOOLS}
    async with (
        client_on(ScriptedEngine(*CALLING)) as client,
        client.responses.stream(**asked) as stream,
    ):
        snapshots = [
            event.snapshot
            async for event in stream
            if event.type == "response.function_call_arguments.delta"
        ]
        response = await stream.get_final_response()
    assert snapshots == ['{"city":', '{"city":"Рим"}', '{"city":"Oslo"}']
    reasoning, preamble, first, second = response.output
    assert reasoning.content[0].text == "Look it up."
    assert reasoning.summary == []
    assert (preamble.phase, preamble.content[0].text) == ("commentary", "I will look.")
    assert (first.call_id, first.parsed_arguments) == ("call_a", {"city": "Рим"})
    assert (second.call_id, second.arguments) == ("call_b", '{"city":"Oslo"}')


async def test_answer_is_parsed_into_a_model():
    engine = ScriptedEngine(*JSON_SCRIPT)
    asked = {"model": "gpt-oss-20b", "input": "Hi", "text_format": City}
    async with client_on(engine) as client:
        response = await client.responses.parse(**asked)
        async with client.responses.stream(**asked) as stream:
            streamed = await stream.get_final_response()
    assert response.output_parsed == streamed.output_parsed == City(name="Рим", people=5)
    (output, _) = (request.output for request in engine.requests)
    assert isinstance(output, JsonOutput)
    assert output.name == "City"
    assert output.schema["required"] == ["name", "people"]


async def test_cut_answer_is_incomplete():
    script = (STARTED, *part(0, "text", "Hel"), finished("length"))
    async with client_on(ScriptedEngine(*script)) as client:
        response = await create(client, max_output_tokens=16)
        events = [event async for event in await create(client, stream=True)]
    assert (response.status, response.incomplete_details.reason) == (
        "incomplete",
        "max_output_tokens",
    )
    assert response.output_text == "Hel"
    assert events[-1].type == "response.incomplete"


async def test_output_may_be_sent_back_as_it_came():
    engine = ScriptedEngine(by_request={0: CALLING})
    async with client_on(engine) as client:
        response = await create(client, tools=TOOLS, store=False)
        items = [{"role": "user", "content": "Hi"}, *response.output]
        items += [
            {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
            for call in response.output
            if call.type == "function_call"
        ]
        again = await create(client, input=items, tools=TOOLS)
    assert again.output_text == "Hello"
    _, model, *results = engine.requests[1].conversation.messages
    assert (model.reasoning, model.text) == ("Look it up.", "I will look.")
    assert [call.id for call in model.tool_calls] == ["call_a", "call_b"]
    assert [result.name for result in results] == ["get_weather"] * 2


async def test_sealed_reasoning_may_be_sent_back_without_its_text():
    engine = ScriptedEngine(by_request={0: CALLING})
    async with client_on(engine) as client:
        include = ["reasoning.encrypted_content"]
        response = await create(client, tools=TOOLS, store=False, include=include)
        reasoning = {**response.output[0].to_dict(), "content": None}
        await create(client, input=[reasoning, *response.output[2:]], tools=TOOLS)
    (model,) = engine.requests[1].conversation.messages
    assert (model.reasoning, len(model.tool_calls)) == ("Look it up.", 2)


async def test_stored_response_is_retrieved_listed_and_deleted():
    async with client_on(ScriptedEngine()) as client:
        first = await create(client)
        second = await create(client, input="More", previous_response_id=first.id)
        assert await client.responses.retrieve(second.id) == second
        items = [item async for item in client.responses.input_items.list(second.id, limit=1)]
        assert [item.content[0].text for item in items] == ["More", "Hello", "Hi"]
        assert await client.responses.delete(first.id) is None
        with pytest.raises(openai.NotFoundError, match=first.id):
            await client.responses.retrieve(first.id)
        third = await create(client, input="Go on", previous_response_id=second.id)
    assert third.previous_response_id == second.id


async def test_failure_amid_a_stream_is_told_then_raised():
    script = (*HELLO[:3], ServerError("engine_failed", "The worker died."))
    seen = []

    async def listen(client: openai.AsyncOpenAI) -> None:
        async for event in await create(client, stream=True):
            seen.append(event)

    async with client_on(ScriptedEngine(*script)) as client:
        with pytest.raises(openai.APIError, match=r"The worker died\.") as caught:
            await listen(client)
    assert caught.value.code == "server_error"
    assert seen[-1].type == "response.failed"
    assert seen[-1].response.error.message == "The worker died."


async def test_what_is_wrong_is_raised():
    keys = read_table('{"sk-1": {"user": "a", "permissions": ["all"]}}')
    async with client_on(ScriptedEngine(), keys) as client:
        with pytest.raises(openai.AuthenticationError):
            await create(client.with_options(api_key="sk-2"))
        with pytest.raises(openai.NotFoundError, match="gpt-5"):
            await create(client, model="gpt-5")
        with pytest.raises(openai.BadRequestError, match="web_search"):
            await create(client, tools=[{"type": "web_search"}])
        with pytest.raises(openai.BadRequestError, match="background"):
            await create(client, background=True)
        with pytest.raises(openai.NotFoundError, match="resp_none") as caught:
            await create(client, previous_response_id="resp_none")
    assert caught.value.code == "previous_response_not_found"
