"""Tools and the choice among them -> core tools, and how wrong ones are refused."""

from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.messages import Conversation, Tool
from tests.dialects.asking_responses import call

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def tool(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, **more}


def conversation(body: dict[str, Any]) -> Conversation:
    return call(body).requests[0].conversation


def refusal(body: dict[str, Any]) -> ServerError:
    with pytest.raises(ServerError) as caught:
        call(body)
    assert caught.value.kind == "invalid"
    return caught.value


def test_tools_are_taken_in_order():
    tools = [
        tool("weather", description="Weather", parameters=SCHEMA, strict=True),
        tool("f", parameters=None),
        tool("g.h", parameters={}, strict=None),
    ]
    taken = conversation({"tools": tools}).tools
    assert [each.path for each in taken] == ["tools[0]", "tools[1]", "tools[2]"]
    assert taken == (
        Tool(name="weather", description="Weather", parameters=SCHEMA, strict=True),
        Tool(name="f"),
        Tool(name="g.h"),
    )


def allowed(mode: str, *names: str) -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": [tool(name) for name in names]}


@pytest.mark.parametrize(
    ("choice", "meaning", "names"),
    [
        (None, "auto", ()),
        ("auto", "auto", ()),
        ("none", "none", ()),
        ("required", "required", ()),
        ({"type": "function", "name": "g"}, "required", ("g",)),
        (allowed("auto", "g"), "auto", ("g",)),
        (allowed("required", "g", "f", "g"), "required", ("g", "f")),
    ],
)
def test_choice_is_taken(choice: Any, meaning: str, names: tuple[str, ...]):
    made = conversation({"tools": [tool("f"), tool("g")], "tool_choice": choice})
    assert (made.tool_choice, made.callable_tools) == (meaning, names)
    assert len(made.tools) == 2


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "function"}, "tool_choice.name"),
        ({"type": "function", "name": "z"}, "tool_choice.name"),
        ({"type": "web_search"}, "tool_choice.type"),
        ({"type": "custom", "name": "f"}, "tool_choice.type"),
        ({"type": 5}, "tool_choice"),
        ({}, "tool_choice"),
        ({"type": "allowed_tools"}, "tool_choice"),
        (allowed("auto"), "tool_choice.tools"),
        (allowed("never", "f"), "tool_choice.mode"),
        (allowed("auto", "z"), "tool_choice.tools[0].name"),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [tool("f"), {"type": "mcp"}]},
            "tool_choice.tools[1].type",
        ),
        ({"type": "allowed_tools", "mode": "auto", "tools": ["f"]}, "tool_choice.tools[0].type"),
    ],
)
def test_wrong_choice_is_refused_by_its_path(choice: Any, param: str):
    assert refusal({"tools": [tool("f")], "tool_choice": choice}).param == param


def test_nothing_can_be_required_without_tools():
    assert refusal({"tool_choice": "required"}).param == "tool_choice"


@pytest.mark.parametrize(
    "kind", ["web_search", "file_search", "code_interpreter", "mcp", "image_generation", "custom"]
)
def test_tool_of_the_server_is_refused_by_its_name(kind: str):
    error = refusal({"tools": [tool(), {"type": kind}]})
    assert (error.param, error.code) == ("tools[1].type", "unsupported_parameter")
    assert kind in error.message


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([{"name": "f"}], "tools[0].type"),
        ([{"type": "function"}], "tools[0].name"),
        ([tool("a b")], "tools[0].name"),
        ([tool("f"), tool("f")], "tools[1].name"),
        ([tool(parameters={"type": "array"})], "tools[0].parameters"),
        ([tool(parameters=[])], "tools[0].parameters"),
        ([tool(strict="yes")], "tools[0].strict"),
        (["f"], "tools[0]"),
        ([tool(f"f{number}") for number in range(129)], "tools"),
    ],
)
def test_wrong_tool_is_refused_by_its_path(tools: list[Any], param: str):
    assert refusal({"tools": tools}).param == param
