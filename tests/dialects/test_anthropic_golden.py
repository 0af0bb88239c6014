"""Whole transcripts of the Messages dialect, to the byte: the order of events, and the body."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import check_answer
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
    """What a client puts together from the events is the message that it would have got whole."""
    golden = read(path)
    built: dict[str, Any] = {}
    partial: dict[int, str] = {}
    for event in golden["stream"]:
        match event["type"]:
            case "message_start":
                built = dict(event["message"])
            case "content_block_start":
                assert event["index"] == len(built["content"])
                built["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                add_delta(built["content"][event["index"]], event, partial)
            case "message_delta":
                built |= event["delta"] | {"usage": event["usage"]}
                built |= {"warning": event["warning"]} if "warning" in event else {}
    for index, text in partial.items():
        built["content"][index]["input"] = json.loads(text)
    assert built == golden["body"]


def add_delta(block: dict[str, Any], event: dict[str, Any], partial: dict[int, str]) -> None:
    delta = event["delta"]
    match delta["type"]:
        case "input_json_delta":
            partial[event["index"]] = partial.get(event["index"], "") + delta["partial_json"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case kind:
            field = kind.removesuffix("_delta")
            block[field] += delta[field]
