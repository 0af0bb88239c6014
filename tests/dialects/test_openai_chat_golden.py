"""Whole transcripts of the chat dialect, to the byte: order of chunks, of fields, and the body."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import check_answer
from tests.dialects.golden_chat import event_of, transcript

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("openai_chat_*.json"))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_every_transcript_is_found():
    assert len(GOLDEN) >= 9


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reply_is_as_written(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    lines, body = transcript(golden)
    expected = [line if line == "[DONE]" else compact(line) for line in golden["stream"]]
    assert lines == expected
    assert body == compact(golden["body"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_stream_and_body_say_the_same(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    for choice in golden["body"]["choices"]:
        message = choice["message"]
        deltas = [
            chunk_choice["delta"]
            for chunk in golden["stream"][:-1]
            for chunk_choice in chunk["choices"]
            if chunk_choice["index"] == choice["index"]
        ]
        for field in ("content", "reasoning", "reasoning_content"):
            streamed = "".join(delta.get(field) or "" for delta in deltas)
            assert streamed == (message.get(field) or "")
        arguments = "".join(
            call["function"].get("arguments", "")
            for delta in deltas
            for call in delta.get("tool_calls", ())
        )
        whole = "".join(call["function"]["arguments"] for call in message.get("tool_calls", ()))
        assert arguments == whole


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_transcript_has_the_grammar_of_events(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    for choice in golden["body"]["choices"]:
        events = [event_of(event) for index, event in golden["events"] if index == choice["index"]]
        check_answer(events)
