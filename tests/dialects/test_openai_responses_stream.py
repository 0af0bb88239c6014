"""Whatever an engine says, a streamed response adds up to the whole one, and is kept as it is."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.events import Event, Finished, PartEnded
from server.dialects.openai_errors import error_object
from server.dialects.openai_responses_body import LOGPROBS, SEALED_REASONING
from tests.contracts import check_answer
from tests.dialects.asking_responses import call
from tests.dialects.golden_chat import answer_of
from tests.dialects.response_stream import FoldedResponse, events_of
from tests.event_streams import answers
from tests.fakes import HELLO, STARTED, part

WISHES = st.fixed_dictionaries(
    {},
    optional={
        "include": st.lists(st.sampled_from([LOGPROBS, SEALED_REASONING]), max_size=2),
        "reasoning": st.fixed_dictionaries({"effort": st.sampled_from(["none", "high"])}),
        "metadata": st.just({"a": "b"}),
    },
)


def streamed(body: dict[str, Any], events: Sequence[Event], kept: list[bytes]) -> bytes:
    reply = call(body, kept=kept).reply
    return b"".join(reply.frames(0, event) for event in events) + reply.end()


@given(events=answers(), body=WISHES)
@settings(max_examples=200, deadline=None)
def test_stream_adds_up_to_the_body(events: list[Event], body: dict[str, Any]):
    check_answer(events)
    kept: list[bytes] = []
    folded = FoldedResponse(events_of(streamed(body, events, kept)))
    whole = call(body, kept=kept).reply.body([answer_of(events)])
    assert folded.final == json.loads(whole)
    assert folded.final["output"] == folded.items
    assert kept == [whole, whole]


@given(events=answers(), data=st.data())
@settings(max_examples=100, deadline=None)
def test_stream_that_fails_tells_what_there_is(events: list[Event], data: st.DataObject):
    reply = call({}, kept=(kept := [])).reply
    heard = events[: data.draw(st.integers(1, len(events) - 1))]
    error = ServerError("engine_failed", "The worker died.")
    stream = b"".join(reply.frames(0, event) for event in heard) + reply.failure(error)
    folded = FoldedResponse(events_of(stream))
    if folded.items and heard[-1] != STARTED:
        # The item that was open, or ended but not yet known to be whole, is the last one.
        folded.items[-1]["status"] = "incomplete"
    assert folded.final["output"] == folded.items
    assert folded.final["status"] == "failed"
    assert folded.final["error"] == {"code": "server_error", "message": "The worker died."}
    assert folded.error["error"] == error_object(error)
    assert folded.error["message"] == "The worker died."
    assert kept == []


@pytest.mark.parametrize(
    ("reason", "status", "last"),
    [("stop", "completed", "completed"), ("length", "incomplete", "incomplete")],
)
def test_only_the_last_item_is_cut(reason: Any, status: str, last: str):
    usage = HELLO[-1].usage
    end = Finished(reason=reason, usage=usage)
    events = (STARTED, *part(0, "reasoning", "Hm."), *part(1, "text", "Hel"), end)
    folded = FoldedResponse(events_of(streamed({}, events, [])))
    assert folded.final["status"] == status
    assert [item["status"] for item in folded.items] == ["completed", last]
    assert bool(folded.final["incomplete_details"]) is (reason == "length")


def test_hidden_reasoning_leaves_no_gap():
    events = (STARTED, *part(0, "reasoning", "Hm."), *part(1, "text", "Hi"), HELLO[-1])
    folded = FoldedResponse(events_of(streamed({"reasoning": {"effort": "none"}}, events, [])))
    assert [item["type"] for item in folded.items] == ["message"]


def test_reasoning_is_sealed_for_clients_that_ask_for_it():
    events = (STARTED, *part(0, "reasoning", "H", "m."), *part(1, "text", "Hi"), HELLO[-1])
    folded = FoldedResponse(events_of(streamed({"include": [SEALED_REASONING]}, events, [])))
    assert folded.final["output"][0]["encrypted_content"] == "reasoning_text:Hm."


def test_deltas_leave_at_once_and_ends_with_what_follows():
    reply = call({}).reply
    written = [reply.frames(0, event) for event in HELLO]
    for event, frames in zip(HELLO, written, strict=True):
        assert bool(frames) is not isinstance(event, PartEnded)
