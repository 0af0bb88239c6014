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
        Tool(name="f", description="D", parameters=SCHEMA, strict=True),
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


def chosen(value: Any, *names: str) -> tuple[str, tuple[str, ...]]:
    body = {"tools": [tool(name) for name in names or ("f", "g")], "tool_choice": value}
    conversation = call(body).requests[0].conversation
    return conversation.tool_choice, conversation.callable_tools


def allowed(mode: str, *names: str) -> dict[str, Any]:
    entries = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": entries}}


@pytest.mark.parametrize(
    ("value", "choice", "names"),
    [
        (None, "auto", ()),
        ("auto", "auto", ()),
        ("none", "none", ()),
        ("required", "required", ()),
        ("any", "required", ()),
        ({"type": "required"}, "required", ()),
        ({"type": "function", "function": {"name": "g"}}, "required", ("g",)),
        ({"type": "function", "name": "g"}, "required", ("g",)),
        (allowed("auto", "g"), "auto", ("g",)),
        (allowed("required", "g", "f", "g"), "required", ("g", "f")),
        ({"type": "allowed_tools", "tools": [{"name": "f"}]}, "auto", ("f",)),
    ],
)
def test_tool_choice_is_read(value: Any, choice: str, names: tuple[str, ...]):
    assert chosen(value) == (choice, names)


def test_older_words_name_a_function_too():
    older = call({"functions": [{"name": "f"}], "function_call": {"name": "f"}})
    conversation = older.requests[0].conversation
    assert (conversation.tool_choice, conversation.callable_tools) == ("required", ("f",))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "f"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice.name"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        (
            {"tool_choice": {"type": "function", "function": {"name": 5}}},
            "tool_choice.function.name",
        ),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tool_choice": allowed("auto")}, "tool_choice.allowed_tools.tools"),
        ({"tool_choice": allowed("never", "f")}, "tool_choice.allowed_tools.mode"),
        ({"tool_choice": allowed("auto", "x")}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "tools": ["f"]}}, "tool_choice.tools[0]"),
        ({"tool_choice": 5}, "tool_choice"),
        ({"function_call": {"name": "f"}}, "function_call"),
    ],
)
def test_wrong_choice_is_refused_by_its_path(body: dict[str, Any], param: str):
    tools = {"tools": [tool("f")]} if body != {"tool_choice": "required"} else {}
    tools = {} if "function_call" in body else tools
    with pytest.raises(ServerError) as caught:
        call({**tools, **body})
    assert (caught.value.kind, caught.value.param) == ("invalid", param)
