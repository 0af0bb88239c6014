"""Whole transcripts of the Responses dialect, to the byte: order of events, of fields, the body."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import check_answer
from tests.dialects.asking_responses import call
from tests.dialects.golden_chat import answer_of, event_of
from tests.dialects.response_stream import FoldedResponse, events_of

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("openai_responses_*.json"))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def streamed(golden: dict[str, Any]) -> bytes:
    reply = call(golden["request"], kept=[]).reply
    events = map(event_of, golden["events"])
    return b"".join(reply.frames(0, event) for event in events) + reply.end()


def test_every_transcript_is_found():
    assert len(GOLDEN) >= 5


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reply_is_as_written(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    frames = [f"event: {each['type']}\ndata: {compact(each)}" for each in golden["stream"]]
    assert streamed(golden).decode().split("\n\n") == [*frames, ""]
    answer = answer_of(list(map(event_of, golden["events"])))
    body = call(golden["request"], kept=[]).reply.body([answer])
    assert body.decode() == compact(golden["body"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_stream_and_body_say_the_same(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    check_answer(map(event_of, golden["events"]))
    folded = FoldedResponse(events_of(streamed(golden)))
    assert folded.final == golden["body"]
    assert folded.items == golden["body"]["output"]
