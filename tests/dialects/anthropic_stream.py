"""What a client puts together from the events of Anthropic's stream."""

import json
from collections.abc import Iterable, Iterator
from typing import Any


def events_of(stream: bytes) -> Iterator[dict[str, Any]]:
    """The data of every event, each under its own name."""
    frames = stream.decode().split("\n\n")
    assert frames.pop() == ""
    for frame in frames:
        name, _, data = frame.partition("\ndata: ")
        event = json.loads(data)
        assert name == f"event: {event['type']}"
        yield event


def built_message(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The message, as if it had come whole. One block is open at a time."""
    message: dict[str, Any] = {}
    inputs: dict[int, str] = {}
    open_block: int | None = None
    for event in events:
        match event["type"]:
            case "message_start":
                message = json.loads(json.dumps(event["message"]))
            case "content_block_start":
                assert open_block is None
                open_block = event["index"]
                assert open_block == len(message["content"])
                message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                assert event["index"] == open_block
                _add(message["content"][open_block], event["delta"], inputs, open_block)
            case "content_block_stop":
                assert event["index"] == open_block
                open_block = None
            case "message_delta":
                assert open_block is None
                message |= event["delta"] | {"usage": event["usage"]}
                message |= {"warning": event["warning"]} if "warning" in event else {}
    for index, text in inputs.items():
        message["content"][index]["input"] = json.loads(text)
    return message


def _add(block: dict[str, Any], delta: dict[str, Any], inputs: dict[int, str], index: int) -> None:
    match delta["type"]:
        case "input_json_delta":
            inputs[index] = inputs.get(index, "") + delta["partial_json"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case kind:
            field = kind.removesuffix("_delta")
            block[field] += delta[field]
