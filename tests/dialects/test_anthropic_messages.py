"""Messages and blocks of every shape -> core messages, and how wrong ones are refused."""

from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.messages import (
    AssistantMessage,
    Instructions,
    Message,
    ToolCall,
    ToolResult,
    UserMessage,
)
from tests.dialects.asking_anthropic import request

USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "ä"}}
CALLED = AssistantMessage(
    text="I look.", tool_calls=(ToolCall(id="toolu_1", name="f", arguments='{"a":"ä"}'),)
)
ASKS = {"role": "assistant", "content": [{"type": "text", "text": "I look."}, USE]}


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def result(content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **more}


def read(*messages: dict[str, Any], **more: Any) -> tuple[Message, ...]:
    return request({"messages": list(messages), **more}).conversation.messages


@pytest.mark.parametrize(
    ("role", "content", "expected"),
    [
        ("user", "U", UserMessage(text="U")),
        ("user", [], UserMessage(text="")),
        ("user", [text("a"), text("b")], UserMessage(text="a\nb")),
        ("user", [text("a") | {"cache_control": {"type": "ephemeral"}}], UserMessage(text="a")),
        ("system", "S", Instructions(text="S")),
        ("assistant", "A", AssistantMessage(text="A")),
        ("assistant", [text("A")], AssistantMessage(text="A")),
        (
            "assistant",
            [{"type": "thinking", "thinking": "T", "signature": "s"}, text("A")],
            AssistantMessage(text="A", reasoning="T"),
        ),
        (
            "assistant",
            [{"type": "redacted_thinking", "data": "x"}, text("A")],
            AssistantMessage(text="A"),
        ),
        ("assistant", [USE], AssistantMessage(tool_calls=CALLED.tool_calls)),
        ("assistant", [], AssistantMessage(text="")),
    ],
)
def test_one_message(role: str, content: Any, expected: Message):
    assert read({"role": role, "content": content}) == (expected,)


@pytest.mark.parametrize("system", ["S", [text("S") | {"cache_control": {"type": "ephemeral"}}]])
def test_system_comes_first(system: Any):
    messages = read({"role": "user", "content": "U"}, system=system)
    assert messages == (Instructions(text="S"), UserMessage(text="U"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (result("21"), "21"),
        (result([text("2"), text("1")]), "2\n1"),
        (result(None), ""),
        (result("no such city", is_error=True), "Error: no such city"),
    ],
)
def test_tool_result_finds_its_call(content: dict[str, Any], expected: str):
    messages = read(ASKS, {"role": "user", "content": [content]})
    assert messages == (CALLED, ToolResult(call_id="toolu_1", name="f", text=expected))


def test_text_around_results_keeps_its_place():
    messages = read(ASKS, {"role": "user", "content": [result("1"), text("a"), text("b")]})
    assert messages[1:] == (
        ToolResult(call_id="toolu_1", name="f", text="1"),
        UserMessage(text="a\nb"),
    )


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "robot", "content": "x"}, "messages[0].role"),
        ({"role": "user", "content": [{"type": "text"}]}, "messages[0].content[0].text"),
        ({"role": "user", "content": [result("1")]}, "messages[0].content[0].tool_use_id"),
        (
            {"role": "user", "content": [{"type": "tool_result"}]},
            "messages[0].content[0].tool_use_id",
        ),
        ({"role": "assistant", "content": [{**USE, "id": None}]}, "messages[0].content[0].id"),
        ({"role": "assistant", "content": [{**USE, "name": "a b"}]}, "messages[0].content[0].name"),
        (
            {"role": "assistant", "content": [{"type": "thinking"}]},
            "messages[0].content[0].thinking",
        ),
        ({"role": "user"}, "messages[0].content"),
    ],
)
def test_what_is_wrong_is_named(message: dict[str, Any], param: str):
    with pytest.raises(ServerError) as caught:
        read(message)
    assert (caught.value.kind, caught.value.param) == ("invalid", param)


@pytest.mark.parametrize("kind", ["image", "document", "search_result", "server_tool_use"])
def test_what_the_model_cannot_read_is_named(kind: str):
    with pytest.raises(ServerError, match=f"'{kind}'") as caught:
        read({"role": "user", "content": [text("a"), {"type": kind, "source": {}}]})
    assert caught.value.code == "unsupported_content"
    assert caught.value.param == "messages[0].content[1]"
    with pytest.raises(ServerError, match=f"'{kind}'"):
        read(ASKS, {"role": "user", "content": [result([{"type": kind}])]})


def test_no_messages_are_refused():
    with pytest.raises(ServerError, match="at least one"):
        read()
