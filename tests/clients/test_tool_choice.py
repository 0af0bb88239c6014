"""tool_choice on the bundled model, which would rather answer: whatever it would draw, the call
that is asked for is made.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import httpx
import jsonschema
import openai
import pytest

from tests.clients.conftest import KEY
from tests.clients.schemas import tools

CASES = 200
QUESTIONS = (
    "Hello!",
    "What is the weather in Paris?",
    "¿Quién eres?",
    "Send a mail to Anna",
    "...",
)


@pytest.fixture(scope="module")
def http(address: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{address}/v1", headers=headers, timeout=60) as client:
        yield client


def asked(random: Random) -> dict[str, Any]:
    """A random set of tools, one of them named or any of them required."""
    offered = tools(random)
    names = [tool["function"]["name"] for tool in offered]
    named = {"type": "function", "function": {"name": random.choice(names)}}
    some = [
        {"type": "function", "function": {"name": each}}
        for each in random.sample(names, random.randint(1, len(names)))
    ]
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": some}}
    return {
        "messages": [{"role": "user", "content": random.choice(QUESTIONS)}],
        "tools": offered,
        "tool_choice": random.choice([named, named, "required", "required", allowed]),
        "temperature": random.choice([0, 1]),
        "seed": random.randrange(2**31),
        "reasoning_effort": random.choice(["none", "low", "low", "medium"]),
        "max_tokens": 300,
    }


def callable_names(body: dict[str, Any]) -> set[str]:
    choice = body["tool_choice"]
    if choice == "required":
        return {tool["function"]["name"] for tool in body["tools"]}
    if choice["type"] == "function":
        return {choice["function"]["name"]}
    return {entry["function"]["name"] for entry in choice["allowed_tools"]["tools"]}


def test_what_is_asked_for_is_called(http: httpx.Client) -> None:
    bodies = [asked(Random(seed)) for seed in range(CASES)]

    def ask(body: dict[str, Any]) -> httpx.Response:
        return http.post("/chat/completions", json=body)

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(ask, bodies))
    whole = 0
    for body, reply in zip(bodies, replies, strict=True):
        assert reply.status_code == 200, reply.text
        choice = reply.json()["choices"][0]
        (call,) = choice["message"]["tool_calls"]
        assert call["function"]["name"] in callable_names(body)
        assert choice["message"]["content"] is None
        assert "warning" not in reply.json()
        if choice["finish_reason"] == "length":
            continue
        assert choice["finish_reason"] == "tool_calls"
        whole += 1
        arguments = json.loads(call["function"]["arguments"])
        offered = {tool["function"]["name"]: tool["function"] for tool in body["tools"]}
        jsonschema.validate(arguments, offered[call["function"]["name"]]["parameters"])
    assert whole > 0.9 * CASES


def test_a_required_call_streams(client: openai.OpenAI) -> None:
    random = Random(7)
    offered = tools(random)
    with client.chat.completions.stream(
        model="gpt-oss-20b",
        messages=[{"role": "user", "content": "Hello!"}],
        tools=offered,
        tool_choice="required",
        temperature=0,
    ) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls
    assert call.function.name in {tool["function"]["name"] for tool in offered}
    json.loads(call.function.arguments)


def test_no_tool_is_called_that_is_hidden(client: openai.OpenAI) -> None:
    weather = {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
        },
    }
    given = {
        "model": "gpt-oss-20b",
        "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [weather],
        "temperature": 0,
    }
    free = client.chat.completions.create(**given)
    assert free.choices[0].finish_reason == "tool_calls"
    none = client.chat.completions.create(**given, tool_choice="none")
    assert none.choices[0].message.tool_calls is None
    assert none.choices[0].message.content


@pytest.mark.parametrize("count", [128, 129])
def test_128_tools_are_taken(http: httpx.Client, count: int) -> None:
    offered = [
        {"type": "function", "function": {"name": f"tool-{n}.of_many", "strict": n % 2 == 0}}
        for n in range(count)
    ]
    body = {
        "messages": [{"role": "user", "content": "Hello!"}],
        "tools": offered,
        "tool_choice": "required",
        "temperature": 0,
    }
    reply = http.post("/chat/completions", json=body)
    if count > 128:
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "tools")
        return
    (call,) = reply.json()["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] in {tool["function"]["name"] for tool in offered}
    assert json.loads(call["function"]["arguments"]) == {}
