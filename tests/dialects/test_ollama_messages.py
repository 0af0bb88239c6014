"""Messages and tools of Ollama's chats -> core messages and tools; how wrong ones are refused."""

from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.messages import (
    AssistantMessage,
    Instructions,
    Message,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from tests.dialects.asking_ollama import chat_request

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "function": {"name": "f", "description": "D", "parameters": PARAMETERS}}


def read(*messages: dict[str, Any]) -> tuple[Message, ...]:
    return chat_request({"messages": list(messages)}).conversation.messages


def called(*functions: tuple[str, Any], **more: Any) -> dict[str, Any]:
    calls = [{"function": {"name": name, "arguments": arguments}} for name, arguments in functions]
    return {"role": "assistant", "content": "", "tool_calls": calls, **more}


def result(text: str, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "content": text, **more}


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "system", "content": "S"}, Instructions(text="S")),
        ({"role": "developer", "content": "S"}, Instructions(text="S")),
        ({"role": "user", "content": "U"}, UserMessage(text="U")),
        ({"role": "User", "content": "U", "images": []}, UserMessage(text="U")),
        ({"role": "user"}, UserMessage(text="")),
        ({"role": "assistant", "content": "A"}, AssistantMessage(text="A")),
        (
            {"role": "assistant", "content": "A", "thinking": "T"},
            AssistantMessage(text="A", reasoning="T"),
        ),
        ({"role": "assistant", "content": ""}, AssistantMessage(text="")),
        (
            called(("f", {"a": "ä"})),
            AssistantMessage(tool_calls=(ToolCall(id="call_0", name="f", arguments='{"a":"ä"}'),)),
        ),
        (
            called(("f", '{"a": 1}'), content="I look."),
            AssistantMessage(
                text="I look.",
                tool_calls=(ToolCall(id="call_0", name="f", arguments='{"a": 1}'),),
            ),
        ),
        (
            called(("f", None)),
            AssistantMessage(tool_calls=(ToolCall(id="call_0", name="f", arguments="{}"),)),
        ),
    ],
)
def test_one_message(message: dict[str, Any], expected: Message):
    assert read(message) == (expected,)


@pytest.mark.parametrize(
    ("results", "answered"),
    [
        ([result("1"), result("2")], ["call_0 f", "call_1 g"]),
        ([result("1", tool_name="g"), result("2", tool_name="f")], ["call_1 g", "call_0 f"]),
        ([result("1", name="g"), result("2")], ["call_1 g", "call_0 f"]),
        ([result("1", tool_call_id="call_1"), result("2")], ["call_1 g", "call_0 f"]),
        ([result("1", tool_call_id="lost", tool_name="g")], ["call_1 g"]),
    ],
)
def test_result_finds_its_call(results: list[dict[str, Any]], answered: list[str]):
    _, *read_results = read(called(("f", {}), ("g", {})), *results)
    assert all(isinstance(each, ToolResult) for each in read_results)
    assert [f"{each.call_id} {each.name}" for each in read_results] == answered


@pytest.mark.parametrize(
    ("messages", "offered", "name"),
    [
        # LiteLLM sends neither the calls nor the functions' names.
        ([{"role": "assistant", "content": ""}, result("1")], [], "tool"),
        ([{"role": "assistant", "content": ""}, result("1")], ["f"], "f"),
        ([{"role": "assistant", "content": ""}, result("1")], ["f", "g"], "tool"),
        ([called(("f", {})), result("1"), result("2")], ["f", "g"], "tool"),
        ([called(("f", {})), result("1", tool_name="g")], ["f", "h"], "g"),
        ([result("1", name="g")], ["f"], "g"),
    ],
)
def test_result_without_a_call_is_read(
    messages: list[dict[str, Any]], offered: list[str], name: str
):
    tools = [{"function": {"name": each}} for each in offered]
    *_, last = chat_request({"messages": messages, "tools": tools}).conversation.messages
    assert (last.name, last.call_id) == (name, "")


def test_ids_are_kept():
    call = {"id": "call_x", "function": {"name": "f", "arguments": {}}}
    messages = read({"role": "assistant", "tool_calls": [call]}, result("1", tool_call_id="call_x"))
    assert messages[1] == ToolResult(call_id="call_x", name="f", text="1")


def test_tools():
    conversation = chat_request({"tools": [TOOL, {"function": {"name": "g"}}]}).conversation
    assert conversation.tools == (
        Tool(name="f", description="D", parameters=PARAMETERS),
        Tool(name="g"),
    )
    assert conversation.tool_choice == "auto"
    assert chat_request({"tools": []}).conversation.tools == ()


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([{"role": "robot", "content": "x"}], "messages[0].role"),
        ([result("1", tool_name="a b")], "messages[0].tool_name"),
        ([called(("a b", {}))], "messages[0].tool_calls[0].function.name"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"content": "x"}], "messages[0].role"),
    ],
)
def test_wrong_message_is_named(messages: list[dict[str, Any]], param: str):
    with pytest.raises(ServerError) as caught:
        read(*messages)
    assert (caught.value.kind, caught.value.param) == ("invalid", param)


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([TOOL, TOOL], "tools[1].function.name"),
        ([{"type": "web", "function": {"name": "f"}}], "tools[0].type"),
        ([{"function": {"name": "a b"}}], "tools[0].function.name"),
        (
            [{"function": {"name": "f", "parameters": {"type": "array"}}}],
            "tools[0].function.parameters",
        ),
        ([{"function": {"name": f"f{n}"}} for n in range(129)], "tools"),
    ],
)
def test_wrong_tool_is_named(tools: list[dict[str, Any]], param: str):
    with pytest.raises(ServerError) as caught:
        chat_request({"tools": tools})
    assert caught.value.param == param


def test_images_need_another_model():
    with pytest.raises(ServerError, match=r"^gpt-oss:20b does not support vision$"):
        read({"role": "user", "content": "What is this?", "images": ["aGk="]})
