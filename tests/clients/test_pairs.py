"""Any two features of a request together, on the bundled model: an answer or a 400 that names its
field, never less.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import httpx
import jsonschema
import pytest

from tests.clients.conftest import KEY
from tests.clients.pairs import all_pairs, pairs_of
from tests.engines.models import MARKUP

SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "word": {"enum": ["a", "b"]}},
    "required": ["ok", "word"],
    "additionalProperties": False,
}
LOCATION = {
    "type": "object",
    "properties": {"location": {"type": "string"}},
    "required": ["location"],
    "additionalProperties": False,
}


def tool(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": LOCATION, **more}}


NAMED = {"type": "function", "function": {"name": "get_weather"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}
MANY = [tool(f"tool_{number}") for number in range(20)]
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
FIELDS: dict[str, list[Any]] = {
    "messages": [
        [{"role": "user", "content": "What is the weather in Paris?"}],
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello!"}],
        [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello! How"}],
    ],
    "tools": [
        None,
        [tool("get_weather")],
        [tool("get_weather", strict=True), tool("a.b-c")],
        [tool("get_weather"), *MANY],
    ],
    "tool_choice": [None, "auto", "none", "required", NAMED, ALLOWED],
    "response_format": [None, {"type": "text"}, {"type": "json_object"}, FORM],
    "stream": [False, True],
    "n": [1, 2],
    "stop": [None, ["e"], ["\n", "}"]],
    "max_tokens": [None, 1, 7, 120],
    "reasoning_effort": [None, "none", "low", "high"],
    "reasoning_budget": [None, 0, 9],
    "min_tokens": [None, 5],
    "temperature": [0, 1],
    "logprobs": [None, True],
}


def body_of(case: dict[str, int]) -> dict[str, Any]:
    body = {name: FIELDS[name][index] for name, index in case.items()}
    return {"seed": 3, "stream_options": {"include_usage": True}, **body}


def choices_of(reply: httpx.Response, *, stream: bool) -> tuple[list[dict[str, Any]], str | None]:
    """The choices of a reply, put together where they were streamed, and the warning."""
    if not stream:
        whole = reply.json()
        return whole["choices"], whole.get("warning")
    *lines, done, empty = reply.text.split("\n\n")
    assert (done, empty) == ("data: [DONE]", "")
    choices: dict[int, dict[str, Any]] = {}
    warning = None
    for line in lines:
        chunk = json.loads(line.removeprefix("data: "))
        assert "error" not in chunk
        warning = warning or chunk.get("warning")
        for part in chunk["choices"]:
            message = choices.setdefault(part["index"], {"message": {}})["message"]
            _add(message, part["delta"])
            choices[part["index"]]["finish_reason"] = part["finish_reason"]
    return list(choices.values()), warning


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    message["content"] = (message.get("content") or "") + (delta.get("content") or "")
    message["reasoning"] = (message.get("reasoning") or "") + (delta.get("reasoning") or "")
    for call in delta.get("tool_calls", ()):
        known = message.setdefault("tool_calls", [{"function": {"name": "", "arguments": ""}}])
        for key, text in call["function"].items():
            known[0]["function"][key] += text


def check_choice(body: dict[str, Any], choice: dict[str, Any], warning: str | None) -> None:
    message, reason = choice["message"], choice["finish_reason"]
    content, calls = message.get("content") or "", message.get("tool_calls") or []
    assert content or calls or reason == "length" or warning
    assert not MARKUP.search(content + (message.get("reasoning") or ""))
    assert reason == "tool_calls" or not calls or reason == "length"
    check_calls(body, calls, reason)
    form = body["response_format"] or {"type": "text"}
    if form["type"] != "text" and reason == "stop":
        value = json.loads(content)
        jsonschema.validate(value, SCHEMA if form is FORM else {"type": "object"})
    if body["reasoning_budget"] == 0 or body["reasoning_effort"] == "none":
        assert body["reasoning_budget"] == 9 or not message.get("reasoning")


def check_calls(body: dict[str, Any], calls: list[dict[str, Any]], reason: str) -> None:
    choice = body["tool_choice"]
    names = {each["function"]["name"] for each in body["tools"] or ()}
    if choice in (NAMED, ALLOWED):
        names &= {"get_weather"}
    assert all(call["function"]["name"] in names for call in calls)
    if choice in ("required", NAMED):
        assert len(calls) == 1
        if reason == "tool_calls":
            jsonschema.validate(json.loads(calls[0]["function"]["arguments"]), LOCATION)
    assert choice != "none" or not calls


def is_contradictory(body: dict[str, Any]) -> bool:
    has_form = (body["response_format"] or {"type": "text"})["type"] != "text"
    must = body["tool_choice"] in ("required", NAMED)
    begun = body["messages"][-1]["role"] == "assistant"
    named = must or body["tool_choice"] == ALLOWED
    return (
        (not body["tools"] and named)
        or (begun and (has_form or must))
        or bool(body["min_tokens"] and body["max_tokens"] == 1)
    )


@pytest.mark.parametrize("seed", range(5))
def test_every_pair_of_features(address: str, seed: int) -> None:
    cases = all_pairs(FIELDS, Random(seed))
    covered = set().union(*(pairs_of(case, FIELDS) for case in cases))
    sizes = [len(values) for values in FIELDS.values()]
    assert len(covered) == (sum(sizes) ** 2 - sum(size**2 for size in sizes)) / 2
    headers = {"Authorization": f"Bearer {KEY}"}
    with (
        httpx.Client(base_url=address, headers=headers, timeout=120) as http,
        ThreadPoolExecutor(8) as threads,
    ):
        bodies = [body_of(case) for case in cases]
        replies = threads.map(lambda body: http.post("/v1/chat/completions", json=body), bodies)
        answered = 0
        for body, reply in zip(bodies, replies, strict=True):
            assert (reply.status_code == 400) == is_contradictory(body), (body, reply.text)
            if reply.status_code == 400:
                assert reply.json()["error"]["param"] in (*body, "messages")
                continue
            answered += 1
            choices, warning = choices_of(reply, stream=body["stream"])
            assert len(choices) == body["n"]
            for choice in choices:
                check_choice(body, choice, warning)
    assert answered > len(cases) / 3
