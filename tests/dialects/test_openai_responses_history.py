"""What is kept of a response: read again as it was, and listed by page."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.events import Event
from server.core.messages import Message, UserMessage
from server.dialects.openai_responses import read_body
from server.dialects.openai_responses_body import InputItem
from server.dialects.openai_responses_history import (
    Page,
    WrittenTurn,
    deleted_body,
    input_items,
    list_body,
    read_turn,
    write_items,
)
from tests.dialects.asking_responses import call
from tests.dialects.encoding import encoded
from tests.dialects.golden_chat import answer_of
from tests.fakes import STARTED, finished, part

CALLED: Sequence[Event] = (
    STARTED,
    *part(0, "reasoning", "Look it up."),
    *part(1, "preamble", "I will look."),
    *part(2, "tool_call", '{"city":"Рим"}', call_id="call_a", name="f"),
    finished("tool_calls"),
)
EASY = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": {"a": None}},
    {"type": "function_call_output", "call_id": "c", "output": "1"},
    {"type": "reasoning", "id": "rs_given", "content": [{"type": "reasoning_text", "text": "r"}]},
]


def nothing(_: str) -> None:
    return None


def items_of(given: Any, find: Callable[[str], WrittenTurn | None] = nothing) -> list[InputItem]:
    return input_items(read_body(encoded({"input": given})).input, find)


def messages(items: Sequence[InputItem], history: Sequence[InputItem] = ()) -> tuple[Message, ...]:
    written = [item.model_dump(exclude_none=True) for item in items]
    asked = call({"input": written or None}, history=history)
    return asked.requests[0].conversation.messages


def page(items: Any, **more: Any) -> dict[str, Any]:
    written = write_items(items_of(items), "resp_9")
    return json.loads(list_body([(written, b"")], Page(newest_first=False, **more)))


@pytest.mark.parametrize("given", ["Hi", EASY])
def test_items_say_the_same_when_read_again(given: Any):
    items = items_of(given)
    again = read_turn((write_items(items, "resp_1"), b'{"output":[]}'))
    assert messages((), again) == messages(items)


def test_output_is_read_as_what_the_model_said():
    whole = call({}).reply.body([answer_of(CALLED)])
    history = read_turn((write_items(items_of("Hi"), "resp_1"), whole))
    result = {"type": "function_call_output", "call_id": "call_a", "output": "sunny"}
    user, model, answer = messages(items_of([result]), history)
    assert user == UserMessage(text="Hi")
    assert (model.reasoning, model.text) == ("Look it up.", "I will look.")
    assert model.tool_calls[0].arguments == '{"city":"Рим"}'
    assert (answer.name, answer.text) == ("f", "sunny")


def test_history_alone_is_enough():
    whole = call({}).reply.body([answer_of(CALLED)])
    history = read_turn((write_items(items_of("Hi"), "resp_1"), whole))
    assert len(messages((), history)) == 2


def test_listed_items_have_ids_types_and_parts():
    listed = page(EASY)
    assert [item["id"] for item in listed["data"]] == [
        "msg_9_i0",
        "msg_9_i1",
        "fc_9_i2",
        "fco_9_i3",
        "rs_given",
    ]
    user, assistant, function_call, _, _ = listed["data"]
    assert user["content"] == [{"type": "input_text", "text": "Hi"}]
    assert assistant["content"][0]["type"] == "output_text"
    assert function_call["arguments"] == '{"a":null}'
    assert (listed["first_id"], listed["last_id"]) == ("msg_9_i0", "rs_given")
    assert listed["has_more"] is False


def test_pages_follow_each_other():
    first = page(EASY, limit=2)
    assert first["has_more"] is True
    second = page(EASY, limit=3, after=first["last_id"])
    assert second["has_more"] is False
    assert first["data"] + second["data"] == page(EASY)["data"]
    beyond = page(EASY, after=second["last_id"])
    assert (beyond["data"], beyond["first_id"], beyond["has_more"]) == ([], None, False)


def test_page_behind_nothing_is_refused():
    with pytest.raises(ServerError) as caught:
        page(EASY, after="msg_none")
    assert caught.value.param == "after"


def test_whole_conversation_is_listed_newest_first():
    first = call({}).reply.body([answer_of(CALLED)])
    turns = [(write_items(items_of(f"Turn {n}"), f"resp_{n}"), first) for n in (1, 2)]
    listed = json.loads(list_body(turns, Page()))["data"]
    assert [item["id"] for item in listed] == [
        "msg_2_i0",
        "fc_1_2",
        "msg_1_1",
        "rs_1_0",
        "msg_1_i0",
    ]


@pytest.mark.parametrize("typed", [{}, {"type": "item_reference"}])
def test_references_become_what_they_refer_to(typed: dict[str, str]):
    turn = (write_items(items_of("Hi"), "resp_1"), call({}).reply.body([answer_of(CALLED)]))
    asked = [{"id": id_, **typed} for id_ in ("msg_1_i0", "rs_1_0", "fc_1_2")]
    found = items_of(asked, {"resp_1": turn}.get)
    assert [item.type for item in found] == ["message", "reasoning", "function_call"]
    user, model = messages(found)
    assert user == UserMessage(text="Hi")
    assert (model.reasoning, model.tool_calls[0].id) == ("Look it up.", "call_a")


@pytest.mark.parametrize("id_", ["rs_1_9", "rs_2_0", "rs", "_", "", None])
def test_reference_to_nothing_is_not_found(id_: str | None):
    turn = (write_items(items_of("Hi"), "resp_1"), call({}).reply.body([answer_of(CALLED)]))
    with pytest.raises(ServerError) as caught:
        items_of(
            [{"role": "user", "content": "x"}, {"type": "item_reference", "id": id_}],
            {"resp_1": turn}.get,
        )
    assert (caught.value.kind, caught.value.code) == ("not_found", "item_not_found")
    assert caught.value.param == "input[1].id"


def test_deleted_is_said():
    assert json.loads(deleted_body("resp_1")) == {
        "id": "resp_1",
        "object": "response",
        "deleted": True,
    }
