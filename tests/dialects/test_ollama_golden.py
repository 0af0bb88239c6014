"""Whole transcripts of Ollama's dialect, to the byte: order of lines and fields, and the body."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import check_answer
from tests.dialects.asking_ollama import chat, generate
from tests.dialects.golden_chat import answer_of, event_of

GOLDEN = sorted((Path(__file__).parent.parent / "golden").glob("ollama_*.json"))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_every_transcript_is_found():
    assert len(GOLDEN) >= 8


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_reply_is_as_written(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    events = [event_of(event) for event in golden["events"]]
    check_answer(events)
    ask = chat if path.stem.startswith("ollama_chat") else generate
    asked = ask(golden["request"])
    assert (asked.media_type, asked.ping) == ("application/x-ndjson", b" ")
    stream = b"".join(asked.reply.frames(0, event) for event in events) + asked.reply.end()
    assert stream.decode() == "".join(f"{compact(line)}\n" for line in golden["stream"])
    assert asked.reply.body([answer_of(events)]).decode() == compact(golden["body"])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_stream_and_body_say_the_same(path: Path):
    golden = json.loads(path.read_text(encoding="utf-8"))
    *lines, last = golden["stream"]
    assert [line["done"] for line in golden["stream"]] == [False] * len(lines) + [True]
    said = [line.get("message", line) for line in lines]
    whole = golden["body"].get("message", golden["body"])
    for field in ("content", "response", "thinking"):
        assert "".join(each.get(field, "") for each in said) == whole.get(field, "")
    calls = [call for each in said for call in each.get("tool_calls", ())]
    assert calls == whole.get("tool_calls", [])
    logprobs = [token for line in lines for token in line.get("logprobs", ())]
    assert logprobs == golden["body"].get("logprobs", [])
    metrics = last.keys() - {"message", "response"}
    assert {key: golden["body"][key] for key in metrics} == {key: last[key] for key in metrics}
