"""This server before this server: what is asked through another one is answered as by itself."""

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.clients.conftest import KEY
from tests.clients.server_process import ServerProcess
from tests.engines.models import control_ids

OWN_KEY = "sk-test-key-of-the-front"
HELLO = [{"role": "user", "content": "Hello!"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather at a place",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    },
}
PARIS = [{"role": "user", "content": "What is the weather in Paris?"}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather"}}
CALLED = [
    *PARIS,
    {
        "role": "assistant",
        "content": None,
        "reasoning": "Look it up.",
        "tool_calls": [
            {**CALL, "function": {"name": "get_weather", "arguments": '{"location":"Paris"}'}}
        ],
    },
    {
        "role": "tool",
        "tool_call_id": "call_1",
        "content": '{"temperature": 21, "condition": "sunny"}',
    },
]
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}, "n": {"type": "integer"}},
    "required": ["city", "n"],
    "additionalProperties": False,
}
FORM = {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
CHATS: dict[str, dict[str, Any]] = {
    "plain": {"messages": HELLO},
    "thoughtful": {"messages": HELLO, "reasoning_effort": "high"},
    "thoughtless": {"messages": HELLO, "reasoning_effort": "none"},
    "cut": {"messages": [{"role": "user", "content": "Count from 1 to 50"}], "max_tokens": 9},
    "stopped": {"messages": [{"role": "user", "content": "Count from 1 to 50"}], "stop": ["12"]},
    "history": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "My name is Wolfgang."},
            {"role": "assistant", "content": "Nice to meet you, Wolfgang!"},
            {"role": "user", "content": "What is my name?"},
        ]
    },
    "called": {"messages": PARIS, "tools": [WEATHER]},
    "required": {"messages": HELLO, "tools": [WEATHER], "tool_choice": "required"},
    "named": {
        "messages": HELLO,
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    },
    "hidden": {"messages": PARIS, "tools": [WEATHER], "tool_choice": "none"},
    "result": {"messages": CALLED, "tools": [WEATHER]},
    "form": {"messages": HELLO, "response_format": FORM},
    "object": {
        "messages": HELLO,
        "response_format": {"type": "json_object"},
        "max_tokens": 60,
    },
    "logprobs": {
        "messages": [{"role": "user", "content": "¡Hola!"}],
        "logprobs": True,
        "top_logprobs": 2,
    },
    "several": {"messages": HELLO, "n": 2},
    "drawn": {"messages": HELLO, "temperature": 1.0, "top_p": 0.9},
}


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Clients of the server that has the model, and of the one before it."""

    direct: openai.OpenAI
    through: openai.OpenAI


@pytest.fixture(scope="module")
def pair(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    path = tmp_path_factory.mktemp("front") / "registry.json"
    upstream = {"base_url": f"{server.url}/v1", "model": "gpt-oss-20b", "api_key_env": "FAR_KEY"}
    path.write_text(json.dumps([{"name": "far", "upstream": {**upstream, "reasoning": True}}]))
    keys = {OWN_KEY: {"user": "admin", "permissions": ["all"]}}
    front = _front(path, API_KEYS=json.dumps(keys), FAR_KEY=KEY)
    try:
        front.wait_until_listening()
        with (
            openai.OpenAI(base_url=f"{server.url}/v1", api_key=KEY, max_retries=0) as direct,
            openai.OpenAI(base_url=f"{front.url}/v1", api_key=OWN_KEY, max_retries=0) as through,
        ):
            yield Pair(direct=direct, through=through)
    finally:
        assert front.stop() == 0
    log = "\n".join(front.log)
    assert KEY not in log
    assert "Wolfgang" not in log


def _front(registry: Path, **variables: str) -> ServerProcess:
    return ServerProcess(MODEL_REGISTRY_PATH=str(registry), INCLUDE_DEFAULT_MODELS="0", **variables)


def whole(client: openai.OpenAI, model: str, asked: dict[str, Any]) -> Any:
    """What a reply says, without what is made anew every time."""
    given = {"temperature": 0, "seed": 7, **asked}
    reply = client.chat.completions.create(model=model, **given).model_dump()
    for choice in reply["choices"]:
        for call in choice["message"]["tool_calls"] or ():
            del call["id"]
    usage = reply["usage"]
    # How much of a prompt was remembered depends on who asked first.
    return reply["choices"], {name: usage[name] for name in ("prompt_tokens", "completion_tokens")}


@pytest.mark.parametrize("name", CHATS)
def test_answers_are_the_same_through_another_server(pair: Pair, name: str) -> None:
    asked = CHATS[name]
    assert whole(pair.through, "far", asked) == whole(pair.direct, "gpt-oss-20b", asked)


def streamed(client: openai.OpenAI, model: str, asked: dict[str, Any]) -> Any:
    given = {"temperature": 0, "seed": 7, "stream_options": {"include_usage": True}, **asked}
    reasoning, text, calls, ends = "", "", [], []
    for chunk in client.chat.completions.create(model=model, stream=True, **given):
        for choice in chunk.choices:
            reasoning += getattr(choice.delta, "reasoning", None) or ""
            text += choice.delta.content or ""
            calls += [
                (call.index, call.function.name, call.function.arguments)
                for call in choice.delta.tool_calls or ()
            ]
            ends += [choice.finish_reason] if choice.finish_reason else []
        usage = chunk.usage
    arguments = "".join(arguments or "" for _, _, arguments in calls)
    names = [name for _, name, _ in calls if name]
    return reasoning, text, names, arguments, ends, usage.completion_tokens


@pytest.mark.parametrize("name", ["plain", "cut", "called", "form", "result"])
def test_streams_are_the_same_through_another_server(pair: Pair, name: str) -> None:
    asked = CHATS[name]
    through = streamed(pair.through, "far", asked)
    assert through == streamed(pair.direct, "gpt-oss-20b", asked)
    assert through[-1] > 0


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": "Once upon a time", "max_tokens": 12},
        {"prompt": "Once upon a time", "max_tokens": 5, "logprobs": 2},
        {"prompt": ["Hello", "Bye"], "max_tokens": 6},
        {"prompt": [11, 12, 13], "max_tokens": 6},
    ],
)
def test_completions_are_the_same_through_another_server(pair: Pair, asked: Any) -> None:
    def complete(client: openai.OpenAI, model: str) -> Any:
        reply = client.completions.create(model=model, temperature=0, seed=7, **asked)
        return reply.model_dump()["choices"]

    assert complete(pair.through, "far") == complete(pair.direct, "gpt-oss-20b")


def test_refusals_come_in_the_other_servers_words(pair: Pair) -> None:
    long = [{"role": "user", "content": "word " * 40_000}]
    with pytest.raises(openai.BadRequestError, match="tokens") as caught:
        pair.through.chat.completions.create(model="far", messages=long)
    assert caught.value.code == "context_length_exceeded"
    strange = {"messages": HELLO, "logit_bias": {"999999": 1}}
    with pytest.raises(openai.BadRequestError, match="999999") as through:
        pair.through.chat.completions.create(model="far", **strange)
    with pytest.raises(openai.BadRequestError) as direct:
        pair.direct.chat.completions.create(model="gpt-oss-20b", **strange)
    assert through.value.body == direct.value.body


def test_it_is_listed_as_anothers(pair: Pair) -> None:
    (model,) = pair.through.models.list()
    assert (model.id, model.owned_by) == ("far", "upstream")


def test_a_drained_server_ends_what_another_one_writes(
    server: ServerProcess, tmp_path: Path
) -> None:
    path = tmp_path / "registry.json"
    upstream = {"base_url": f"{server.url}/v1", "model": "gpt-oss-20b", "api_key": KEY}
    path.write_text(json.dumps([{"name": "far", "upstream": upstream}]))
    front = _front(path, SHUTDOWN_TIMEOUT_SECONDS="0")
    try:
        front.wait_until_listening()
        with openai.OpenAI(base_url=f"{front.url}/v1", api_key="none", max_retries=0) as client:
            # It never ends by itself.
            never = {str(token): -100 for token in control_ids().values()}
            stream = client.chat.completions.create(
                model="far", messages=HELLO, stream=True, max_tokens=5_000, logit_bias=never
            )
            assert next(stream).choices
            front.process.send_signal(signal.SIGTERM)
            with pytest.raises(openai.APIError, match="shutting down") as caught:
                for _ in stream:
                    pass
            assert caught.value.code == "shutting_down"
    finally:
        assert front.stop() == 0
