"""Items of every type and shape -> core messages, and how wrong ones are refused."""

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
from tests.dialects.asking_responses import call

USER = {"role": "user", "content": "U"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
OTHER = {"type": "function_call", "call_id": "call_2", "name": "g", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "one"}
CALLED = ToolCall(id="call_1", name="f", arguments='{"a":1}')
OTHER_CALLED = ToolCall(id="call_2", name="g", arguments="{}")


def read(*items: Any, **body: Any) -> tuple[Message, ...]:
    return call({"input": list(items), **body}).requests[0].conversation.messages


def thought(*texts: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "reasoning_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": content, **more}


def said(text: str, **more: Any) -> dict[str, Any]:
    """A message as the model's own output has it."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    message = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant"}
    return {**message, "content": [part], **more}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"role": "system", "content": "S"}, Instructions(text="S")),
        ({"role": "developer", "content": "D"}, Instructions(text="D")),
        (USER, UserMessage(text="U")),
        ({**USER, "type": "message", "id": "x", "extra": 1}, UserMessage(text="U")),
        ({"role": "User", "content": ""}, UserMessage(text="")),
        ({"role": "user", "content": []}, UserMessage(text="")),
        (
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            UserMessage(text="a\nb"),
        ),
        ({"role": "assistant", "content": "A"}, AssistantMessage(text="A")),
        (said("A"), AssistantMessage(text="A")),
        (
            said("", content=[{"type": "refusal", "refusal": "No."}]),
            AssistantMessage(text="No."),
        ),
        (thought("a", "b"), AssistantMessage(reasoning="a\nb")),
        (CALL, AssistantMessage(tool_calls=(CALLED,))),
        ({**CALL, "arguments": {"a": 1}}, AssistantMessage(tool_calls=(CALLED,))),
        (
            {**CALL, "arguments": None},
            AssistantMessage(tool_calls=(ToolCall(id="call_1", name="f", arguments="{}"),)),
        ),
    ],
)
def test_item_is_read(item: dict[str, Any], expected: Message):
    assert read(item) == (expected,)


def test_text_is_what_the_user_says():
    assert call({"input": "Hi"}).requests[0].conversation.messages == (UserMessage(text="Hi"),)


def test_instructions_come_first():
    assert read(USER, instructions="Be brief.") == (
        Instructions(text="Be brief."),
        UserMessage(text="U"),
    )


@pytest.mark.parametrize("nothing", ["", None])
def test_empty_instructions_are_none(nothing: str | None):
    assert read(USER, instructions=nothing) == (UserMessage(text="U"),)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        # What belongs to one go of the model becomes one message.
        (
            [thought("r"), said("p", phase="commentary"), CALL, OTHER],
            [AssistantMessage(reasoning="r", text="p", tool_calls=(CALLED, OTHER_CALLED))],
        ),
        (
            [thought("r"), said("a", phase="final_answer")],
            [AssistantMessage(reasoning="r", text="a")],
        ),
        # A client may have dropped the phase: what comes right before a call is a preamble.
        ([said("p"), CALL], [AssistantMessage(text="p", tool_calls=(CALLED,))]),
        # After a preamble the model may go on thinking about the call.
        (
            [thought("r"), said("p", phase="commentary"), thought("s"), CALL],
            [AssistantMessage(reasoning="r\ns", text="p", tool_calls=(CALLED,))],
        ),
        # After an answer or a call begins another go.
        (
            [said("a"), thought("r"), CALL],
            [AssistantMessage(text="a"), AssistantMessage(reasoning="r", tool_calls=(CALLED,))],
        ),
        (
            [CALL, thought("r"), OTHER],
            [
                AssistantMessage(tool_calls=(CALLED,)),
                AssistantMessage(reasoning="r", tool_calls=(OTHER_CALLED,)),
            ],
        ),
        ([said("a"), said("b")], [AssistantMessage(text="a"), AssistantMessage(text="b")]),
        (
            [CALL, said("a")],
            [AssistantMessage(tool_calls=(CALLED,)), AssistantMessage(text="a")],
        ),
        ([said(""), CALL], [AssistantMessage(tool_calls=(CALLED,))]),
        # Reasoning without its text says nothing.
        ([thought(summary=[{"type": "summary_text", "text": "s"}]), USER], [UserMessage(text="U")]),
        ([{"type": "reasoning", "encrypted_content": "x"}, USER], [UserMessage(text="U")]),
        # Unless it comes back in the form that is made for it.
        (
            [{"type": "reasoning", "summary": [], "encrypted_content": "reasoning_text:r"}, CALL],
            [AssistantMessage(reasoning="r", tool_calls=(CALLED,))],
        ),
        (
            [thought("r", encrypted_content="reasoning_text:r"), CALL],
            [AssistantMessage(reasoning="r", tool_calls=(CALLED,))],
        ),
    ],
)
def test_items_of_one_go_are_one_message(items: list[dict[str, Any]], expected: list[Message]):
    assert read(*items) == tuple(expected)


def test_result_gets_the_name_of_its_call():
    messages = read(USER, thought("r"), CALL, RESULT, thought("s"), OTHER)
    assert messages == (
        UserMessage(text="U"),
        AssistantMessage(reasoning="r", tool_calls=(CALLED,)),
        ToolResult(call_id="call_1", name="f", text="one"),
        AssistantMessage(reasoning="s", tool_calls=(OTHER_CALLED,)),
    )


def test_result_may_come_in_parts():
    parts = [{"type": "input_text", "text": "o"}, {"type": "input_text", "text": "k"}]
    assert read(CALL, {**RESULT, "output": parts})[1] == ToolResult(
        call_id="call_1", name="f", text="o\nk"
    )


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([], "input"),
        ([{"type": "reasoning"}], "input"),
        (["Hi"], "input[0]"),
        ([{"role": "wizard", "content": "x"}], "input[0].role"),
        ([{"role": "tool", "content": "x"}], "input[0].role"),
        ([{"content": "x"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([USER, {"role": "user", "content": 5}], "input[1].content"),
        ([{"role": "user", "content": [{"text": "x"}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        (
            [{"role": "user", "content": [{"type": "poem", "text": "x"}]}],
            "input[0].content[0].type",
        ),
        (
            [{"role": "assistant", "content": [{"type": "refusal"}]}],
            "input[0].content[0].refusal",
        ),
        ([{**CALL, "call_id": None}], "input[0].call_id"),
        ([{**CALL, "name": None}], "input[0].name"),
        ([{**CALL, "name": "a b"}], "input[0].name"),
        ([{**CALL, "arguments": 5}], "input[0].arguments"),
        ([RESULT], "input[0].call_id"),
        ([{**RESULT, "call_id": None}], "input[0].call_id"),
        ([CALL, {**RESULT, "output": None}], "input[1].output"),
        ([CALL, {**RESULT, "output": {"a": 1}}], "input[1].output"),
        ([{"type": "web_search_call", "id": "ws_1"}], "input[0].type"),
    ],
)
def test_wrong_item_is_refused_by_its_path(items: list[Any], param: str):
    with pytest.raises(ServerError) as caught:
        read(*items)
    assert (caught.value.kind, caught.value.param) == ("invalid", param)


@pytest.mark.parametrize("kind", ["input_image", "input_file", "input_audio"])
@pytest.mark.parametrize("where", ["content", "output"])
def test_media_are_refused_by_the_part(kind: str, where: str):
    parts = [{"type": "input_text", "text": "x"}, {"type": kind, "file_id": "f"}]
    item = {**USER, "content": parts} if where == "content" else {**RESULT, "output": parts}
    with pytest.raises(ServerError) as caught:
        read(CALL, item)
    assert caught.value.code == "unsupported_content"
    assert caught.value.param == f"input[1].{where}[1]"
    assert kind in caught.value.message
