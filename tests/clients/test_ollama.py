"""The real ollama package against a real server on the bundled model, by its second port."""

import json
import re
import signal
from collections.abc import Iterator

import httpx
import jsonschema
import ollama
import pytest

from tests.clients.conftest import KEY, KEYS
from tests.clients.server_process import ServerProcess

OLLAMA = re.compile(r"Ollama +(http://127\.0\.0\.1:\d+)")
MODEL = "gpt-oss:20b"
GREEDY = {"temperature": 0}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "The city."}},
            "required": ["location"],
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"enum": ["good", "bad"]}, "count": {"type": "integer"}},
    "required": ["mood", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def door() -> Iterator[str]:
    """The second port of a server with keys: its root URL."""
    process = ServerProcess("--ollama-port", "0", API_KEYS=KEYS, N_THREADS="1")
    try:
        url: str = process.wait_for(OLLAMA)[1]
        process.wait_for(re.compile("is ready"))
        yield url
    finally:
        assert process.stop() == 0


@pytest.fixture
def client(door: str) -> Iterator[ollama.Client]:
    with ollama.Client(host=door, headers={"Authorization": f"Bearer {KEY}"}) as made:
        yield made


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_it_looks_like_ollama(door: str) -> None:
    assert httpx.get(door).text == "Ollama is running"
    assert httpx.head(door).status_code == 200
    assert httpx.get(f"{door}/health").status_code == 404
    assert httpx.get(f"{door}/v1/models", headers={"x-api-key": KEY}).status_code == 200


def test_a_stream_says_the_same_as_a_body(client: ollama.Client) -> None:
    asked = {"model": MODEL, "messages": [user("Count from 1 to 20")], "options": GREEDY}
    whole = client.chat(**asked)
    parts = list(client.chat(**asked, stream=True))
    assert whole.message.content
    assert "".join(part.message.content for part in parts) == whole.message.content
    assert "".join(part.message.thinking or "" for part in parts) == whole.message.thinking
    assert parts[-1].eval_count == whole.eval_count > 0
    assert whole.total_duration >= whole.eval_duration > 0


def test_thinking_can_be_left_out(client: ollama.Client) -> None:
    asked = {"model": MODEL, "messages": [user("Hello!")], "options": GREEDY}
    thoughtful, thoughtless = client.chat(**asked), client.chat(**asked, think=False)
    assert thoughtful.message.thinking
    assert thoughtless.message.content
    assert thoughtless.message.thinking is None
    assert thoughtless.eval_count < thoughtful.eval_count


@pytest.mark.parametrize("form", ["json", SCHEMA])
def test_an_answer_keeps_to_its_format(client: ollama.Client, form: object) -> None:
    options = {**GREEDY, "num_predict": 500}
    asked = {"model": MODEL, "format": form, "options": options}
    replies = [
        client.chat(messages=[user("Hello!")], **asked).message.content,
        client.generate(prompt="Hello!", **asked).response,
    ]
    for reply in replies:
        value = json.loads(reply)
        assert isinstance(value, dict)
        if form != "json":
            jsonschema.validate(value, SCHEMA)


def test_a_tool_is_called_and_its_result_used(client: ollama.Client) -> None:
    asked = {"model": MODEL, "tools": [WEATHER], "options": GREEDY}
    messages: list[object] = [user("What is the weather in Paris?")]
    message = client.chat(messages=messages, **asked).message
    (call,) = message.tool_calls
    assert call.function.name == "get_weather"
    assert call.function.arguments == {"location": "Paris"}
    result = json.dumps({"temperature": 21, "condition": "sunny"})
    messages += [message, {"role": "tool", "tool_name": "get_weather", "content": result}]
    answer = client.chat(messages=messages, **asked).message
    assert "21" in answer.content
    assert "sunny" in answer.content


def test_generate_remembers_by_its_context(client: ollama.Client) -> None:
    asked = {"model": MODEL, "options": GREEDY}
    first = client.generate(prompt="My name is Wolfgang.", **asked)
    second = client.generate(prompt="What is my name?", context=first.context, **asked)
    assert "Wolfgang" in second.response


def test_length_and_stop_strings(client: ollama.Client) -> None:
    asked = {"model": MODEL, "prompt": "Count from 1 to 20"}
    cut = client.generate(options={**GREEDY, "num_predict": 5}, **asked)
    assert cut.done_reason == "length"
    assert cut.eval_count >= 5
    stopped = client.generate(options={**GREEDY, "stop": ["12"]}, **asked)
    assert stopped.done_reason == "stop"
    assert "11" in stopped.response
    assert "12" not in stopped.response


def test_logprobs_spell_the_answer(client: ollama.Client) -> None:
    reply = client.chat(
        model=MODEL, messages=[user("¡Hola!")], options=GREEDY, logprobs=True, top_logprobs=2
    )
    assert "".join(token.token for token in reply.logprobs) == reply.message.content
    assert all(len(token.top_logprobs) == 2 for token in reply.logprobs)


def test_models(client: ollama.Client) -> None:
    names = [model.model for model in client.list().models]
    assert MODEL in names
    assert [model.model for model in client.ps().models] == names
    shown = client.show(MODEL)
    assert shown.details.family == "gptoss"
    assert shown.modelinfo["general.architecture"] == "gpt-oss"


def test_loading_is_done_already(client: ollama.Client) -> None:
    assert client.generate(model=MODEL).done_reason == "load"


def test_the_oldest_messages_of_a_long_chat_are_left_out(door: str) -> None:
    turns = [user("word " * 300), {"role": "assistant", "content": "Indeed."}] * 20
    messages = [{"role": "system", "content": "Be brief."}, *turns, user("Hello!")]
    options = {**GREEDY, "num_predict": 20}
    body = {"model": MODEL, "messages": messages, "options": options, "stream": False}
    headers = {"Authorization": f"Bearer {KEY}"}
    reply = httpx.post(f"{door}/api/chat", json=body, headers=headers, timeout=60).json()
    assert reply["message"]["content"]
    assert 4000 < reply["prompt_eval_count"] < 8192
    assert re.search(r"its \d+ oldest messages were left out", reply["warning"])
    # The next turn is cut at the same place, so that its prompt is not computed anew.
    messages += [reply["message"], user("Hello again!")]
    after = httpx.post(f"{door}/api/chat", json=body, headers=headers, timeout=60).json()
    assert after["prompt_eval_cached_count"] > 4000
    refused = httpx.post(f"{door}/api/chat", json={**body, "truncate": False}, headers=headers)
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("the input length exceeds the context length")


def test_what_is_wrong_is_said(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="model 'llama3' not found") as caught:
        client.chat(model="llama3", messages=[user("Hello!")])
    assert caught.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="the input length exceeds the context length"):
        client.chat(model=MODEL, messages=[user("word " * 20_000)])
    with pytest.raises(ollama.ResponseError, match="does not support embeddings") as caught:
        client.embed(model=MODEL, input="Hello!")
    assert caught.value.status_code == 501
    with pytest.raises(ollama.ResponseError, match="does not support vision"):
        client.generate(model=MODEL, prompt="What is this?", images=["aGk="])


def test_keys_are_asked_for(door: str) -> None:
    with ollama.Client(host=door) as stranger:
        with pytest.raises(ollama.ResponseError, match="API key is missing") as caught:
            stranger.list()
        assert caught.value.status_code == 401


def test_an_answer_is_finished_before_the_server_leaves() -> None:
    """By the second port as by the first: one server listens on both."""
    process = ServerProcess("--ollama-port", "0", N_THREADS="1", N_PARALLEL="2")
    try:
        url = process.wait_for(OLLAMA)[1]
        process.wait_for(re.compile("is ready"))
        asked = {"model": MODEL, "messages": [user("Count from 1 to 50")], "options": GREEDY}
        with ollama.Client(host=url) as client:
            parts = client.chat(**asked, stream=True)
            said = [next(parts)]
            process.process.send_signal(signal.SIGTERM)
            said += list(parts)
        assert said[-1].done_reason == "stop"
        assert "50" in "".join(part.message.content for part in said)
    finally:
        assert process.stop() == 0
