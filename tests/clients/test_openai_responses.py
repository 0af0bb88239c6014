"""The official OpenAI client asks for Responses, of a real server on the bundled model."""

import json
from collections.abc import Iterator
from typing import Literal

import openai
import pytest
from pydantic import BaseModel

from tests.clients.conftest import KEY

MODEL = "gpt-oss-20b"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city."}},
        "required": ["location"],
    },
    "strict": False,
}
SUNNY = json.dumps({"temperature": 21, "condition": "sunny"})


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def result_of(response: object, output: str = SUNNY) -> dict[str, str]:
    """The answer to the one call of a response."""
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert call.name == "get_weather"
    return {"type": "function_call_output", "call_id": call.call_id, "output": output}


def test_a_plain_answer_with_its_reasoning_apart(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="Hello!", temperature=0)
    reasoning, message = response.output
    assert (reasoning.type, message.type) == ("reasoning", "message")
    assert reasoning.content[0].text
    assert message.phase == "final_answer"
    assert response.output_text == message.content[0].text
    assert "<|" not in response.output_text
    assert response.status == "completed"
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.output_tokens_details.reasoning_tokens > 0


def test_the_answer_is_that_of_a_chat(client: openai.OpenAI) -> None:
    text, instructions = "Count from 1 to 20", "Be brief."
    response = client.responses.create(
        model=MODEL, input=text, instructions=instructions, temperature=0
    )
    messages = [
        {"role": "system", "content": instructions},
        {"role": "user", "content": text},
    ]
    chat = client.chat.completions.create(model=MODEL, messages=messages, temperature=0)
    assert response.output_text == chat.choices[0].message.content
    assert response.output[0].content[0].text == chat.choices[0].message.reasoning
    assert response.usage.input_tokens == chat.usage.prompt_tokens
    assert response.usage.output_tokens == chat.usage.completion_tokens


def test_a_stream_says_the_same_as_a_body(client: openai.OpenAI) -> None:
    given = {"model": MODEL, "input": "Count from 1 to 20", "temperature": 0}
    whole = client.responses.create(**given)
    text = reasoning = ""
    with client.responses.stream(**given) as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
                assert event.snapshot == text
            elif event.type == "response.reasoning_text.delta":
                reasoning += event.delta
        final = stream.get_final_response()
    assert text == final.output_text == whole.output_text
    assert reasoning == whole.output[0].content[0].text
    assert final.usage.output_tokens == whole.usage.output_tokens


async def test_an_asynchronous_client_streams_too(address: str) -> None:
    async with (
        openai.AsyncOpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0) as client,
        client.responses.stream(model=MODEL, input="Hello!", temperature=0) as stream,
    ):
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
        again = await client.responses.retrieve(final.id)
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert again.output_text == final.output_text


def test_a_tool_is_called_and_its_result_used(client: openai.OpenAI) -> None:
    given = {"model": MODEL, "tools": [WEATHER], "temperature": 0, "store": False}
    items: list[object] = [{"role": "user", "content": "What is the weather in Paris?"}]
    response = client.responses.create(input=items, **given)
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert json.loads(call.arguments) == {"location": "Paris"}
    items += [*response.output, result_of(response)]
    answer = client.responses.create(input=items, **given)
    assert "21" in answer.output_text
    assert "sunny" in answer.output_text


def test_a_stored_call_is_gone_on_from(client: openai.OpenAI) -> None:
    given = {"model": MODEL, "tools": [WEATHER], "temperature": 0}
    question = {"role": "user", "content": "What is the weather in Oslo?"}
    with client.responses.stream(input=[question], **given) as stream:
        called = stream.get_final_response()
    result = result_of(called)
    answer = client.responses.create(input=[result], previous_response_id=called.id, **given)
    assert "21" in answer.output_text
    # The same prompt as if the client had sent everything, the model's reasoning included.
    everything = [question, *called.output, result]
    by_hand = client.responses.create(input=everything, **given)
    assert by_hand.output_text == answer.output_text
    assert by_hand.usage.input_tokens == answer.usage.input_tokens
    without = [item for item in everything if getattr(item, "type", "") != "reasoning"]
    shorter = client.responses.create(input=without, **given)
    assert shorter.usage.input_tokens < answer.usage.input_tokens


def test_reasoning_is_forgotten_after_the_answer(client: openai.OpenAI) -> None:
    first = client.responses.create(model=MODEL, input="Hello!", temperature=0)
    assert first.output[0].type == "reasoning"
    more = {"role": "user", "content": "Count from 1 to 5"}
    items = [{"role": "user", "content": "Hello!"}, *first.output, more]
    given = {"model": MODEL, "temperature": 0}
    kept = client.responses.create(input=items, **given)
    del items[1]
    dropped = client.responses.create(input=items, **given)
    assert kept.usage.input_tokens == dropped.usage.input_tokens


def test_a_name_is_remembered_over_responses(client: openai.OpenAI) -> None:
    given = {"model": MODEL, "temperature": 0}
    first = client.responses.create(input="My name is Wolfgang.", **given)
    second = client.responses.create(
        input="What is my name?", previous_response_id=first.id, **given
    )
    assert "Wolfgang" in second.output_text
    listed = list(client.responses.input_items.list(second.id, order="asc", limit=2))
    assert listed[0].content[0].text == "My name is Wolfgang."
    assert listed[-1].content[0].text == "What is my name?"
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)
    assert client.responses.retrieve(second.id).output_text == second.output_text


def test_a_cut_answer_is_incomplete(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model=MODEL, input="Count from 1 to 50", temperature=0, max_output_tokens=16
    )
    assert response.status == "incomplete"
    assert response.incomplete_details.reason == "max_output_tokens"
    assert response.output[-1].status == "incomplete"


def test_logprobs_spell_the_answer(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model=MODEL,
        input="¡Hola!",
        temperature=0,
        top_logprobs=2,
        include=["message.output_text.logprobs"],
    )
    logprobs = response.output[-1].content[0].logprobs
    assert b"".join(bytes(token.bytes) for token in logprobs).decode() == response.output_text
    assert all(len(token.top_logprobs) == 2 for token in logprobs)


def test_what_is_wrong_is_named(client: openai.OpenAI, address: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="word " * 20_000)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError, match="file_search"):
        client.responses.create(model=MODEL, input="x", tools=[{"type": "file_search"}])
    with (
        openai.OpenAI(base_url=f"{address}/v1", api_key="sk-wrong", max_retries=0) as stranger,
        pytest.raises(openai.AuthenticationError),
    ):
        stranger.responses.create(model=MODEL, input="Hello!")


class Weather(BaseModel):
    city: Literal["Paris", "Oslo"]
    degrees: int


def test_an_answer_is_parsed_into_a_model(client: openai.OpenAI) -> None:
    given = {"model": MODEL, "input": "Hello!", "temperature": 0, "text_format": Weather}
    response = client.responses.parse(**given)
    assert response.status == "completed"
    assert isinstance(response.output_parsed, Weather)
    with client.responses.stream(**given) as stream:
        assert stream.get_final_response().output_parsed == response.output_parsed


@pytest.mark.parametrize(
    "choice",
    [
        "required",
        {"type": "function", "name": "get_weather"},
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "get_weather"}],
        },
    ],
)
def test_a_tool_that_has_to_be_called_is(client: openai.OpenAI, choice: object) -> None:
    other = {"type": "function", "name": "count", "parameters": {"type": "object"}}
    response = client.responses.create(
        model=MODEL,
        input="Hello!",
        tools=[WEATHER] if choice == "required" else [other, WEATHER],
        tool_choice=choice,
        temperature=0,
    )
    (call,) = [item for item in response.output if item.type == "function_call"]
    assert call.name == "get_weather"
    assert "location" in json.loads(call.arguments)


def test_a_schema_that_cannot_be_held_to_is_named(client: openai.OpenAI) -> None:
    schema = {"type": "object", "not": {"required": ["a"]}}
    form = {"type": "json_schema", "name": "odd", "schema": schema}
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model=MODEL, input="x", text={"format": form})
    assert caught.value.param.startswith("text.format.schema")


def test_the_oldest_items_are_left_out_where_that_is_wished(client: openai.OpenAI) -> None:
    call = {
        "type": "function_call",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"location": "Paris"}',
    }
    result = {"type": "function_call_output", "call_id": "call_1", "output": "word " * 300}
    turn = [{"role": "user", "content": "word " * 300}, call, result]
    given = {
        "model": MODEL,
        "instructions": "Be brief.",
        "input": [*turn * 12, {"role": "user", "content": "Hello!"}],
        "max_output_tokens": 20,
        "temperature": 0,
        "tools": [WEATHER],
    }
    response = client.responses.create(**given, truncation="auto")
    assert response.output
    assert response.truncation == "auto"
    assert 3000 < response.usage.input_tokens < 8192
    assert "oldest messages were left out" in response.warning
    for truncation in ("disabled", openai.omit):
        with pytest.raises(openai.BadRequestError) as caught:
            client.responses.create(**given, truncation=truncation)
        assert caught.value.code == "context_length_exceeded"
