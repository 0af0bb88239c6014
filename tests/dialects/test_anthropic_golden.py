"""Whole transcripts of the Messages dialect, to the byte: the order of events, and the body."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import check_answer
from tests.dialects.anthropic_stream import built_message
from tests.dialects.asking_anthropic import call
from tests.dialects.golden_chat import answer_of, event_of

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("anthropic_*.json"))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read(path: Path) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return golden


def test_every_transcript_is_found():
    assert len(GOLDEN) >= 6


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reply_is_as_written(path: Path):
    golden = read(path)
    events = [event_of(event) for event in golden["events"]]
    check_answer(events)
    asked = call(golden["request"])
    stream = b"".join(asked.reply.frames(0, event) for event in events) + asked.reply.end()
    frames = [f"event: {data['type']}\ndata: {compact(data)}\n\n" for data in golden["stream"]]
    assert stream.decode() == "".join(frames)
    assert asked.reply.body([answer_of(events)]).decode() == compact(golden["body"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_stream_builds_the_body(path: Path):
    golden = read(path)
    assert built_message(golden["stream"]) == golden["body"]
