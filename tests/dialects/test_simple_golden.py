"""Whole transcripts of /chat, to the byte: the text as events, the objects, and the body."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import check_answer
from tests.dialects.asking_simple import call
from tests.dialects.golden_chat import answer_of, event_of

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("simple_*.json"))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_every_transcript_is_found() -> None:
    assert len(GOLDEN) >= 4


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reply_is_as_written(path: Path) -> None:
    golden = json.loads(path.read_text(encoding="utf-8"))
    events = [event_of(event) for event in golden["events"]]
    check_answer(events)
    asked = call(golden["request"])
    stream = b"".join(asked.reply.frames(0, event) for event in events) + asked.reply.end()
    assert stream.decode() == "".join(f"{frame}\n\n" for frame in golden["stream"])
    assert asked.reply.body([answer_of(events)]).decode() == compact(golden["body"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_stream_and_body_say_the_same(path: Path) -> None:
    golden = json.loads(path.read_text(encoding="utf-8"))
    *frames, done = golden["stream"]
    assert done == "data: [DONE]"
    texts = [frame.removeprefix("data: ").replace("\ndata: ", "\n") for frame in frames]
    if golden["request"].get("stream_format") == "json":
        texts = [json.loads(text).get("response", "") for text in texts]
    assert "".join(texts) == golden["body"]["response"]
