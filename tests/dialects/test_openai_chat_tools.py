"""Tools and the older functions -> core tools, and how wrong ones are refused."""

from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.messages import Tool
from tests.dialects.asking import call

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def tool(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def test_tools_are_read_in_order():
    conversation = (
        call(
            {"tools": [tool("f", description="D", parameters=SCHEMA, strict=True), tool("g.h-i_J")]}
        )
        .requests[0]
        .conversation
    )
    assert conversation.tools == (
        Tool(name="f", description="D", parameters=SCHEMA),
        Tool(name="g.h-i_J"),
    )
    assert conversation.tool_choice == "auto"


@pytest.mark.parametrize("parameters", [None, {}])
def test_tool_without_arguments_has_no_schema(parameters: Any):
    (read,) = call({"tools": [tool(parameters=parameters)]}).requests[0].conversation.tools
    assert read.parameters is None


@pytest.mark.parametrize("tools", [None, []])
def test_no_tools_are_no_tools(tools: Any):
    assert call({"tools": tools, "tool_choice": "auto"}).requests[0].conversation.tools == ()


@pytest.mark.parametrize("body", [{"tool_choice": "none"}, {"function_call": "none"}])
def test_tools_can_be_switched_off(body: dict[str, Any]):
    assert call(body).requests[0].conversation.tool_choice == "none"


def test_functions_are_tools_with_an_older_reply():
    older = call({"functions": [{"name": "f", "parameters": SCHEMA}], "function_call": "auto"})
    assert older.requests[0].conversation.tools == (Tool(name="f", parameters=SCHEMA),)
    assert older.reply.style.functions
    assert not call({"tools": [tool()]}).reply.style.functions


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [tool(), tool()]}, "tools[1].function.name"),
        ({"tools": [tool(f"f{i}") for i in range(129)]}, "tools"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [tool("")]}, "tools[0].function.name"),
        ({"tools": [tool("a b")]}, "tools[0].function.name"),
        ({"tools": [tool("имя")]}, "tools[0].function.name"),
        ({"tools": [tool("f" * 65)]}, "tools[0].function.name"),
        ({"tools": [tool("f\n")]}, "tools[0].function.name"),
        ({"tools": [tool(description=5)]}, "tools[0].function.description"),
        ({"tools": [tool(parameters=[])]}, "tools[0].function.parameters"),
        ({"tools": [tool(parameters={"type": "array"})]}, "tools[0].function.parameters"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"functions": [{"name": "a b"}]}, "functions[0].name"),
        ({"functions": [{"name": "f"}], "tools": [tool()]}, "functions"),
    ],
)
def test_wrong_tool_is_refused_by_its_path(body: dict[str, Any], param: str):
    with pytest.raises(ServerError) as caught:
        call(body)
    assert (caught.value.kind, caught.value.param) == ("invalid", param)
