"""Every parameter of a Responses request: what it becomes, and how its wrong values are refused."""

import json
from dataclasses import replace
from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.request import JsonOutput, Sampling
from server.dialects.openai_responses_body import IGNORED, INCLUDABLE, LOGPROBS, REFUSED
from tests.dialects.asking_responses import ASKED, call
from tests.dialects.golden_chat import answer_of
from tests.fakes import HELLO

HUGE = 10**30
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def refusal(body: dict[str, Any], **limits: Any) -> ServerError:
    with pytest.raises(ServerError) as caught:
        call(body, **limits)
    assert caught.value.kind == "invalid"
    assert caught.value.message.endswith(".")
    return caught.value


def reply(body: dict[str, Any], **more: Any) -> dict[str, Any]:
    return json.loads(call(body, **more).reply.body([answer_of(HELLO)]))


@pytest.mark.parametrize(
    ("body", "sampling"),
    [
        ({}, {}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"temperature": None}, {}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"top_p": 0, "temperature": 1}, {"temperature": 0.0}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"top_k": 50.0}, {"top_k": 50}),
        ({"min_p": 0.05}, {"min_p": 0.05}),
        ({"seed": 2**32 + 3}, {"seed": 3}),
        ({"seed": -1}, {}),
    ],
)
def test_sampling_is_taken(body: dict[str, Any], sampling: dict[str, Any]):
    (request,) = call(body).requests
    assert request.sampling == Sampling(**sampling)


def form(**fields: Any) -> dict[str, Any]:
    return {"text": {"format": fields}}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"max_tokens": None, "logprobs": None, "output": None, "effort": "medium"}),
        ({"max_output_tokens": 16}, {"max_tokens": 16}),
        ({"max_output_tokens": 0}, {"max_tokens": None}),
        ({"max_output_tokens": -1}, {"max_tokens": None}),
        ({"include": [LOGPROBS]}, {"logprobs": 0}),
        ({"include": [LOGPROBS], "top_logprobs": 5}, {"logprobs": 5}),
        ({"top_logprobs": 5}, {"logprobs": 5}),
        ({"top_logprobs": 0}, {"logprobs": None}),
        ({"include": sorted(INCLUDABLE - {LOGPROBS})}, {"logprobs": None}),
        (form(type="text"), {"output": None}),
        ({"text": {"verbosity": "low"}}, {"output": None}),
        (form(type="json_object"), {"output": JsonOutput()}),
        (
            form(type="json_schema", name="n", schema=SCHEMA, strict=True, description="d"),
            {"output": JsonOutput(schema=SCHEMA, name="n", description="d")},
        ),
        ({"reasoning": {"effort": "high", "summary": "auto"}}, {"effort": "high"}),
        ({"reasoning": {"effort": "minimal"}}, {"effort": "low", "reasoning_budget": None}),
        ({"reasoning": {"effort": "none"}}, {"effort": "low", "reasoning_budget": 0}),
        ({"reasoning": {"effort": None}}, {"effort": "medium"}),
        ({"reasoning": {"context": "current_turn"}}, {"effort": "medium"}),
        ({"truncation": "disabled", "background": False}, {"truncate": False}),
        ({"truncation": "auto"}, {"truncate": True}),
        ({"truncation": None}, {"truncate": False}),
    ],
)
def test_request_is_taken(body: dict[str, Any], fields: dict[str, Any]):
    (request,) = call(body).requests
    assert {name: getattr(request, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("input", 5),
        ("input", {}),
        ("instructions", ["x"]),
        ("temperature", 2.1),
        ("temperature", "hot"),
        ("top_p", -0.1),
        ("top_k", HUGE),
        ("min_p", 2),
        ("seed", 1.5),
        ("top_logprobs", 21),
        ("max_output_tokens", -2),
        ("max_output_tokens", "5"),
        ("max_output_tokens", HUGE),
        ("stream", "yes"),
        ("store", 1),
        ("background", "no"),
        ("metadata", []),
        ("metadata", {str(number): "x" for number in range(17)}),
        ("include", "logprobs"),
        ("truncation", "sometimes"),
        ("tools", {}),
        ("tool_choice", 5),
        ("tool_choice", "sometimes"),
        ("parallel_tool_calls", "yes"),
        ("previous_response_id", 5),
        ("text", "json"),
        ("reasoning", "high"),
        ("model", 5),
        ("user", 5),
    ],
)
def test_wrong_value_is_refused_by_name(param: str, value: Any):
    assert refusal({param: value}).param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"include": [LOGPROBS, "everything"]}, "include[1]"),
        ({"reasoning": {"effort": "enormous"}}, "reasoning.effort"),
        (form(), "text.format.type"),
        (form(type="xml"), "text.format.type"),
        (form(type="json_schema", name="n"), "text.format.schema"),
        (form(type="json_schema", name="n", schema="x"), "text.format.schema"),
        ({"input": None}, "input"),
    ],
)
def test_deep_fault_is_named_by_its_path(body: dict[str, Any], param: str):
    assert refusal(body).param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (form(type="json_object"), "text.format"),
        (
            {"tools": [{"type": "function", "name": "f"}], "tool_choice": "required"},
            "tool_choice",
        ),
    ],
)
def test_an_answer_that_is_begun_is_text(body: dict[str, Any], param: str):
    begun = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hel"}]
    assert refusal({**body, "input": begun}).param == param
    assert call({"input": begun}).requests[0].conversation.begun == "Hel"


def test_what_is_wrong_with_the_prompt_is_said_of_the_input():
    assert call({}).requests[0].conversation.path == "input"


@pytest.mark.parametrize("param", sorted(REFUSED))
def test_what_cannot_be_done_is_refused_by_name(param: str):
    error = refusal({param: {"a": 1}})
    assert (error.param, error.code) == (param, "unsupported_parameter")
    assert call({param: None}).unknown == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"background": True}, "background"),
        ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
    ],
)
def test_unavailable_value_is_refused_by_name(body: dict[str, Any], param: str):
    error = refusal(body)
    assert (error.param, error.code) == (param, "unsupported_parameter")


def test_harmless_fields_are_ignored_even_when_strict():
    body = {name: {"any": ["thing"]} for name in IGNORED}
    assert call(body, strict_params=True).unknown == ()


def test_unknown_fields_are_named_and_refused_when_strict():
    assert call({"zeta": 1, "alpha": 2}).unknown == ("alpha", "zeta")
    error = refusal({"zeta": 1, "alpha": 2}, strict_params=True)
    assert (error.param, error.code) == ("alpha", "unknown_parameter")


def test_limit_of_output_tokens_is_said():
    assert call({"max_output_tokens": 100}, output_tokens_limit=100).requests[0].max_tokens == 100
    error = refusal({"max_output_tokens": 101}, output_tokens_limit=100)
    assert error.param == "max_output_tokens"
    assert "100" in error.message


def test_effort_of_the_header_wins_then_the_body_then_the_suffix_then_the_default():
    everywhere = replace(ASKED, effort_header="high", effort_suffix="low")
    body = {"reasoning": {"effort": "medium"}}
    assert call(body, everywhere).requests[0].effort == "high"
    no_header = replace(everywhere, effort_header=None)
    assert call(body, no_header).requests[0].effort == "medium"
    assert call({}, no_header).requests[0].effort == "low"
    assert call({}, effort_default="high").requests[0].effort == "high"


def test_response_repeats_its_request():
    tool = {"type": "function", "name": "f", "parameters": {"type": "object", "default": None}}
    body = {
        "instructions": "Be brief.",
        "max_output_tokens": 16,
        "metadata": {"topic": "demo"},
        "parallel_tool_calls": False,
        "reasoning": {"effort": "low", "summary": "auto"},
        "temperature": 0.5,
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "tool_choice": {"type": "function", "name": "f"},
        "tools": [tool],
        "top_logprobs": 2,
        "top_p": 0.9,
        "user": "u",
    }
    response = reply(body)
    same = body.keys() - {"tools"}
    assert {name: response[name] for name in same} == {name: body[name] for name in same}
    assert response["tools"] == [{**tool, "strict": False}]
    assert response["model"] == "gpt-oss-20b"


def test_response_says_what_is_so_where_nothing_was_asked():
    response = reply({})
    expected = {
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": "medium", "summary": None},
        "store": False,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "truncation": "disabled",
    }
    assert {name: response[name] for name in expected} == expected


def test_a_response_that_is_stored_says_so():
    assert reply({}, kept=[])["store"] is True
