"""Every field of a Messages request: honoured, refused by name, or ignored."""

from dataclasses import replace
from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.messages import Tool
from server.core.request import Effort, JsonOutput, Sampling
from server.dialects.anthropic import read_body
from server.dialects.anthropic_body import IGNORED, REFUSED
from tests.dialects.asking_anthropic import ASKED, call, counted, request
from tests.dialects.encoding import encoded

TOOL = {"name": "f", "description": "D", "input_schema": {"type": "object", "properties": {}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def refusal(body: dict[str, Any], **limits: Any) -> ServerError:
    with pytest.raises(ServerError) as caught:
        call(body, **limits)
    assert caught.value.kind == "invalid"
    return caught.value


def test_plain_request():
    asked = request({"max_tokens": 7})
    assert (asked.max_tokens, asked.fit, asked.effort) == (7, True, "medium")
    assert asked.sampling == Sampling()
    assert asked.output is None
    assert asked.reasoning_budget is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"temperature": 0.5, "top_p": 0.9, "top_k": 5},
            Sampling(temperature=0.5, top_p=0.9, top_k=5),
        ),
        ({"temperature": 0.5, "top_p": 0}, Sampling(temperature=0)),
        ({"top_k": 0}, Sampling(top_k=0)),
    ],
)
def test_sampling(body: dict[str, Any], expected: Sampling):
    assert request(body).sampling == expected


@pytest.mark.parametrize(
    ("body", "effort", "budget", "shown"),
    [
        ({}, "high", None, False),
        ({"thinking": {"type": "disabled"}}, "low", 0, False),
        ({"thinking": {"type": "adaptive"}}, "high", None, True),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, "high", None, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low", 1024, True),
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "medium", 4096, True),
        ({"thinking": {"type": "enabled", "budget_tokens": 16000}}, "high", 16000, True),
        ({"output_config": {"effort": "max"}}, "high", None, False),
        (
            {
                "thinking": {"type": "enabled", "budget_tokens": 16000},
                "output_config": {"effort": "low"},
            },
            "low",
            16000,
            True,
        ),
    ],
)
def test_thinking(body: dict[str, Any], effort: Effort, budget: int | None, shown: bool):
    made = call(body, effort_default="high")
    assert (made.requests[0].effort, made.requests[0].reasoning_budget) == (effort, budget)
    assert made.reply.style.thinking is shown


def test_suffix_of_the_model_decides_where_the_body_does_not():
    low = replace(ASKED, effort_suffix="low")
    assert request({}, low).effort == "low"
    thinking = {"type": "enabled", "budget_tokens": 16000}
    assert request({"thinking": thinking}, low).effort == "high"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ("auto", ())),
        ({"type": "auto", "disable_parallel_tool_use": True}, ("auto", ())),
        ({"type": "any"}, ("required", ())),
        ({"type": "tool", "name": "f"}, ("required", ("f",))),
        ({"type": "none"}, ("none", ())),
    ],
)
def test_tools_and_their_choice(choice: dict[str, Any] | None, expected: tuple[str, Any]):
    conversation = request({"tools": [TOOL], "tool_choice": choice}).conversation
    assert conversation.tools == (Tool(name="f", description="D", parameters=TOOL["input_schema"]),)
    assert (conversation.tool_choice, conversation.callable_tools) == expected


def test_strict_tool():
    (tool,) = request({"tools": [{**TOOL, "type": "custom", "strict": True}]}).conversation.tools
    assert tool.strict


@pytest.mark.parametrize("key", ["output_config", "output_format"])
def test_output_of_a_schema(key: str):
    wanted = {"type": "json_schema", "schema": SCHEMA}
    body = {key: {"format": wanted} if key == "output_config" else wanted}
    assert request(body).output == JsonOutput(schema=SCHEMA)


def test_stop_sequences():
    assert request({"stop_sequences": ["a", "b"]}).stop == ("a", "b")


@pytest.mark.parametrize(("asked", "given"), [(100, 100), (32000, 500)])
def test_more_tokens_than_the_operator_gives_are_cut(asked: int, given: int):
    assert request({"max_tokens": asked}, output_tokens_limit=500).max_tokens == given


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"stream": "yes"}, "stream"),
        ({"stop_sequences": [""]}, "stop_sequences"),
        ({"stop_sequences": ["a"] * 17}, "stop_sequences"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format.type"),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
        ({"tools": [TOOL, TOOL]}, "tools[1].name"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{**TOOL, "name": "a b"}]}, "tools[0].name"),
        ({"tools": [{"name": "f", "input_schema": {"type": "array"}}]}, "tools[0].input_schema"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": [{**TOOL, "name": f"f{n}"} for n in range(129)]}, "tools"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool", "name": "f"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"name": "x"}]}, "mcp_servers"),
    ],
)
def test_what_is_wrong_is_named(body: dict[str, Any], param: str):
    error = refusal(body)
    assert error.param == param
    assert error.message


def test_length_is_required():
    with pytest.raises(ServerError, match="'max_tokens'") as caught:
        read_body(encoded({"messages": []}))
    assert caught.value.code == "missing_required_parameter"


def test_what_changes_nothing_is_ignored():
    made = call({name: {"any": "thing"} for name in IGNORED} | dict.fromkeys(REFUSED))
    assert made.unknown == ()


def test_unknown_fields_are_named_and_refused_when_strict():
    assert call({"zeta": 1, "alpha": 2}).unknown == ("alpha", "zeta")
    assert refusal({"zeta": 1}, strict_params=True).param == "zeta"


def test_counted_request_has_the_whole_prompt():
    body = {"system": "S", "tools": [TOOL], "thinking": {"type": "enabled", "budget_tokens": 1024}}
    asked, whole = counted(body), request(body)
    assert (asked.conversation, asked.effort) == (whole.conversation, whole.effort)
