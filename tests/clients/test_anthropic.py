"""The real anthropic package against a real server on the bundled model."""

import json
from collections.abc import Iterator

import anthropic
import jsonschema
import pytest

from tests.clients.conftest import KEY

WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city."}},
        "required": ["location"],
    },
}
# The package of today does not know temperature as an argument; the interface does.
GIVEN = {"model": "gpt-oss-20b", "max_tokens": 1000, "extra_body": {"temperature": 0}}
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture
def client(address: str) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=address, api_key=KEY, max_retries=0) as made:
        yield made


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_a_plain_answer_without_its_reasoning(client: anthropic.Anthropic) -> None:
    message = client.messages.create(messages=[user("Hello!")], **GIVEN)
    (block,) = message.content
    assert block.type == "text"
    assert block.text
    assert "<|" not in block.text
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens > message.usage.output_tokens_details.thinking_tokens > 0


def test_a_stream_says_the_same_as_a_body(client: anthropic.Anthropic) -> None:
    given = {**GIVEN, "messages": [user("Count from 1 to 20")], "thinking": THINKING}
    whole = client.messages.create(**given)
    with client.messages.stream(**given) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    assert streamed.content[0].thinking == whole.content[0].thinking
    assert streamed.content[1].text == whole.content[1].text
    assert streamed.usage.output_tokens == whole.usage.output_tokens


def test_a_tool_is_called_and_its_result_used(client: anthropic.Anthropic) -> None:
    given = {**GIVEN, "tools": [WEATHER], "thinking": THINKING}
    messages: list[object] = [user("What is the weather in Paris?")]
    with client.messages.stream(messages=messages, **given) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    call = message.content[-1]
    assert (call.name, call.input) == ("get_weather", {"location": "Paris"})
    result = {
        "type": "tool_result",
        "tool_use_id": call.id,
        "content": json.dumps({"temperature": 21, "condition": "sunny"}),
    }
    messages += [
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    answer = client.messages.create(messages=messages, **given)
    assert answer.stop_reason == "end_turn"
    assert "21" in answer.content[-1].text
    assert "sunny" in answer.content[-1].text


@pytest.mark.parametrize(
    "choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}], ids=lambda c: c["type"]
)
def test_a_tool_must_be_called(client: anthropic.Anthropic, choice: dict[str, str]) -> None:
    asked = {**GIVEN, "messages": [user("Hello!")], "tools": [WEATHER]}
    assert client.messages.create(**asked).stop_reason == "end_turn"
    forced = client.messages.create(**asked, tool_choice=choice)
    assert forced.stop_reason == "tool_use"
    assert forced.content[-1].name == "get_weather"
    jsonschema.validate(forced.content[-1].input, WEATHER["input_schema"])
    none = {"type": "none"}
    asked["messages"] = [user("What is the weather in Paris?")]
    assert client.messages.create(**asked, tool_choice=none).stop_reason == "end_turn"


def test_thinking_keeps_to_its_budget(client: anthropic.Anthropic) -> None:
    def spent(thinking: dict[str, object]) -> int:
        asked = {"messages": [user("What is the weather in Paris?")], "thinking": thinking}
        message = client.messages.create(**GIVEN, **asked)
        return message.usage.output_tokens_details.thinking_tokens

    assert spent({"type": "disabled"}) == 0
    assert 0 < spent({"type": "enabled", "budget_tokens": 8}) <= 8


def test_an_answer_keeps_to_its_schema(client: anthropic.Anthropic) -> None:
    schema = {
        "type": "object",
        "properties": {"mood": {"enum": ["good", "bad"]}, "count": {"type": "integer"}},
        "required": ["mood", "count"],
        "additionalProperties": False,
    }
    message = client.messages.create(
        messages=[user("Hello!")],
        output_config={"format": {"type": "json_schema", "schema": schema}},
        **GIVEN,
    )
    jsonschema.validate(json.loads(message.content[-1].text), schema)


def test_a_stop_sequence_is_named(client: anthropic.Anthropic) -> None:
    asked = {**GIVEN, "messages": [user("Count from 1 to 20")]}
    message = client.messages.create(stop_sequences=["never", "12"], **asked)
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "12")
    assert "11" in message.content[0].text
    assert "12" not in message.content[0].text


def test_more_tokens_than_there_is_room_for(client: anthropic.Anthropic) -> None:
    message = client.messages.create(messages=[user("Hello!")], **{**GIVEN, "max_tokens": 20_000})
    assert message.stop_reason == "end_turn"


def test_tokens_are_counted_as_they_are_used(client: anthropic.Anthropic) -> None:
    asked = {"messages": [user("Hello!")], "system": "Be kind.", "tools": [WEATHER]}
    counted = client.messages.count_tokens(model="gpt-oss-20b", **asked)
    usage = client.messages.create(**GIVEN, **asked).usage
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_what_is_wrong_is_named(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="at least one message"):
        client.messages.create(messages=[], **GIVEN)
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        client.messages.create(messages=[user("word " * 20_000)], **GIVEN)
    image = {
        "type": "image",
        "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
    }
    with pytest.raises(anthropic.BadRequestError, match="'image'"):
        client.messages.create(messages=[{"role": "user", "content": [image]}], **GIVEN)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("sk-wrong", anthropic.AuthenticationError),
        ("sk-test-completions-only", anthropic.PermissionDeniedError),
    ],
)
def test_keys_are_asked_for(address: str, key: str, error: type[anthropic.APIError]) -> None:
    with (
        anthropic.Anthropic(base_url=address, api_key=key, max_retries=0) as stranger,
        pytest.raises(error),
    ):
        stranger.messages.create(messages=[user("Hello!")], **GIVEN)


def test_models_are_listed_and_described(client: anthropic.Anthropic) -> None:
    (model,) = list(client.models.list())
    assert (model.type, model.id, model.display_name) == ("model", "gpt-oss-20b", "gpt-oss-20b")
    assert model.created_at.year >= 2025
    assert model.max_input_tokens == 8192
    assert client.models.retrieve("gpt-oss:20b").id == "gpt-oss:20b"
    assert list(client.models.list(limit=1, after_id="gpt-oss-20b")) == []
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.models.retrieve("claude-9")
    assert caught.value.body["error"]["type"] == "not_found_error"
