"""Whole transcripts of plain completions, to the byte: order of chunks, of fields, and the body."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.asking_completions import completion
from tests.dialects.golden_chat import answer_of, event_of

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("openai_completions_*.json"))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def transcript(golden: dict[str, Any]) -> tuple[list[str], str]:
    """The data of every server-sent event, and the whole body."""
    asked = completion(golden["request"], echoes=tuple(golden.get("echoes", ())), **golden["rules"])
    arrivals = [(index, event_of(event)) for index, event in golden["events"]]
    stream = b"".join(asked.reply.frames(index, event) for index, event in arrivals)
    frames = (stream + asked.reply.end()).decode().split("\n\n")
    assert frames.pop() == ""
    answers = [
        answer_of([event for index, event in arrivals if index == choice])
        for choice in range(len(asked.requests))
    ]
    return [frame.removeprefix("data: ") for frame in frames], asked.reply.body(answers).decode()


def test_every_transcript_is_found():
    assert len(GOLDEN) >= 5


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reply_is_as_written(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    lines, body = transcript(golden)
    assert lines == [line if line == "[DONE]" else compact(line) for line in golden["stream"]]
    assert body == compact(golden["body"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_stream_and_body_say_the_same(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    for whole in golden["body"]["choices"]:
        chunks = [
            choice
            for chunk in golden["stream"][:-1]
            for choice in chunk["choices"]
            if choice["index"] == whole["index"]
        ]
        assert "".join(choice["text"] for choice in chunks) == whole["text"]
        assert chunks[-1]["finish_reason"] == whole["finish_reason"]
        for name, values in (whole["logprobs"] or {}).items():
            streamed = [choice["logprobs"][name] for choice in chunks if choice["logprobs"]]
            assert [value for part in streamed for value in part] == values
