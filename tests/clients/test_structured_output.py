"""Answers with a form, of the bundled model: what is called finished has it, and the openai
package's own helpers read it.
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
from pydantic import BaseModel, ConfigDict

from tests.clients.conftest import KEY
from tests.clients.schemas import object_schema

CASES = 300
MODEL = "gpt-oss-20b"
QUESTIONS = ("Hello!", "What is the weather in Paris?", "Give me JSON", "Count from 1 to 5")


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid")

    done: bool
    number: int


class Plan(BaseModel):
    model_config = ConfigDict(extra="forbid")

    is_good: bool
    first: Step
    rating: int | None


@pytest.fixture(scope="module")
def http(address: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(base_url=f"{address}/v1", headers=headers, timeout=60) as client:
        yield client


def chat(**body: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hello!"}], "temperature": 0, **body}


def asked(random: Random) -> dict[str, Any]:
    form = {"name": "answer", "strict": True, "schema": object_schema(random)}
    return chat(
        messages=[{"role": "user", "content": random.choice(QUESTIONS)}],
        response_format={"type": "json_schema", "json_schema": form},
        temperature=random.choice([0, 1]),
        seed=random.randrange(2**31),
        reasoning_effort=random.choice(["none", "low", "medium"]),
        max_tokens=200,
    )


def test_finished_answers_fit_their_schema(http: httpx.Client) -> None:
    bodies = [asked(Random(seed)) for seed in range(CASES)]

    def ask(body: dict[str, Any]) -> httpx.Response:
        return http.post("/chat/completions", json=body)

    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(ask, bodies))
    whole = 0
    for body, reply in zip(bodies, replies, strict=True):
        assert reply.status_code == 200, reply.text
        choice = reply.json()["choices"][0]
        assert choice["message"]["content"]
        if choice["finish_reason"] == "stop":
            whole += 1
            schema = body["response_format"]["json_schema"]["schema"]
            jsonschema.validate(json.loads(choice["message"]["content"]), schema)
        else:
            assert choice["finish_reason"] == "length"
    assert whole > 0.8 * CASES


def test_the_reasoning_stays_free(http: httpx.Client) -> None:
    plain = http.post("/chat/completions", json=chat()).json()
    formed = http.post("/chat/completions", json=chat(grammar='root ::= "yes" | "no"')).json()
    assert formed["choices"][0]["message"]["content"] in ("yes", "no")
    reasoning = plain["choices"][0]["message"]["reasoning"]
    assert formed["choices"][0]["message"]["reasoning"] == reasoning


def test_parse_gives_a_model(client: openai.OpenAI) -> None:
    reply = client.chat.completions.parse(
        model=MODEL,
        messages=[{"role": "user", "content": "Hello!"}],
        response_format=Plan,
        temperature=0,
    )
    assert isinstance(reply.choices[0].message.parsed, Plan)


def test_a_parsed_stream_gives_a_model(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL,
        messages=[{"role": "user", "content": "Hello!"}],
        response_format=Plan,
        temperature=0,
    ) as stream:
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Plan)


def test_a_parsed_tool_gives_its_arguments(client: openai.OpenAI) -> None:
    given = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello!"}],
        "tools": [openai.pydantic_function_tool(Plan)],
        "tool_choice": "required",
        "temperature": 0,
    }
    reply = client.chat.completions.parse(**given)
    (call,) = reply.choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Plan)
    with client.chat.completions.stream(**given) as stream:
        final = stream.get_final_completion()
    (streamed,) = final.choices[0].message.tool_calls
    assert streamed.function.parsed_arguments == call.function.parsed_arguments


def test_what_is_cut_is_no_answer_to_parse(client: openai.OpenAI) -> None:
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model=MODEL,
            messages=[{"role": "user", "content": "Hello!"}],
            response_format=Plan,
            max_tokens=3,
        )


@pytest.mark.parametrize(
    "body",
    [
        {"response_format": {"type": "json_schema", "schema": {"enum": ["a", "b"]}}},
        {"response_format": {"type": "json_object", "schema": {"enum": ["a", "b"]}}},
        {"json_schema": {"enum": ["a", "b"]}},
        {"guided_json": '{"enum": ["a", "b"]}'},
        {"grammar": 'root ::= "\\"a\\"" | "\\"b\\""'},
        {"guided_grammar": 'root ::= "\\"" [ab] "\\""'},
    ],
)
def test_other_clients_words_mean_the_same(http: httpx.Client, body: dict[str, Any]) -> None:
    reply = http.post("/chat/completions", json=chat(**body)).json()
    assert reply["choices"][0]["message"]["content"] in ('"a"', '"b"')
    assert reply["choices"][0]["finish_reason"] == "stop"


def test_any_object_begins_one(http: httpx.Client) -> None:
    form = {"type": "json_object"}
    for seed in range(5):
        body = chat(response_format=form, temperature=1, seed=seed, max_tokens=60)
        choice = http.post("/chat/completions", json=body).json()["choices"][0]
        assert choice["message"]["content"].lstrip().startswith("{")
        if choice["finish_reason"] == "stop":
            assert isinstance(json.loads(choice["message"]["content"]), dict)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"grammar": 'root ::= "a'}, "grammar"),
        ({"grammar": "root ::= missing"}, "grammar"),
        ({"grammar": "nonsense"}, "grammar"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}},
            "response_format.json_schema.schema",
        ),
        ({"json_schema": {"not": {"type": "string"}}}, "json_schema"),
        (
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "parameters": {"not": {}}, "strict": True},
                    }
                ]
            },
            "tools[0].function.parameters",
        ),
    ],
)
def test_a_form_that_cannot_be_held_to_is_refused(
    http: httpx.Client, body: dict[str, Any], param: str
) -> None:
    reply = http.post("/chat/completions", json=chat(**body))
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"].startswith(param)
    assert reply.json()["error"]["message"]
