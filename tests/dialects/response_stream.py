"""Reads a streamed response as a client does: event by event, believing the deltas alone."""

import json
from typing import Any

Json = dict[str, Any]

ITEM_ENDS = {
    "response.output_text.done": "text",
    "response.reasoning_text.done": "text",
    "response.function_call_arguments.done": "arguments",
}


def events_of(stream: bytes) -> list[Json]:
    """The data of every event; its name must be its type, its number its place."""
    frames = stream.decode().split("\n\n")
    assert frames.pop() == ""
    events = []
    for number, frame in enumerate(frames):
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == number
        events.append(event)
    return events


class FoldedResponse:
    """What the deltas add up to. Every later event must agree with what was heard before."""

    def __init__(self, events: list[Json]) -> None:
        created, in_progress, *rest = events
        assert created["type"] == "response.created"
        assert in_progress["type"] == "response.in_progress"
        assert created["response"] == in_progress["response"]
        assert created["response"]["status"] == "in_progress"
        assert created["response"]["output"] == []
        self.items: list[Json] = []
        self.final: Json | None = None
        self.error: Json | None = None
        self._open = False
        for event in rest:
            self._hear(event)
        assert not self._open or self.error is not None

    def _hear(self, event: Json) -> None:
        kind = event["type"]
        assert self.final is None or kind == "error", f"{kind} after the end"
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            assert kind == f"response.{event['response']['status']}"
            self.final = event["response"]
        elif kind == "error":
            self.error = event
        elif kind == "response.output_item.added":
            self._add(event)
        else:
            self._write(event, self.items[-1])

    def _add(self, event: Json) -> None:
        assert not self._open, "an item begins while another is open"
        assert event["output_index"] == len(self.items)
        assert event["item"]["status"] == "in_progress"
        self.items.append(event["item"])
        self._open = True

    def _write(self, event: Json, item: Json) -> None:
        assert self._open
        assert event["output_index"] == len(self.items) - 1
        kind = event["type"]
        if kind == "response.output_item.done":
            item["status"] = event["item"]["status"]
            if "encrypted_content" in event["item"]:
                # The one field that comes with the end alone.
                item["encrypted_content"] = event["item"]["encrypted_content"]
            assert event["item"] == item
            self._open = False
            return
        assert event["item_id"] == item["id"]
        if kind == "response.function_call_arguments.delta":
            item["arguments"] += event["delta"]
        elif kind == "response.content_part.added":
            assert event["content_index"] == len(item["content"]) == 0
            item["content"].append(event["part"])
        elif kind == "response.content_part.done":
            assert event["part"] == item["content"][event["content_index"]]
        elif kind in ITEM_ENDS:
            whole = item if item["type"] == "function_call" else item["content"][0]
            assert event[ITEM_ENDS[kind]] == whole[ITEM_ENDS[kind]]
        else:
            assert kind in ("response.output_text.delta", "response.reasoning_text.delta")
            part = item["content"][event["content_index"]]
            assert kind == f"response.{part['type']}.delta"
            part["text"] += event["delta"]
            if "logprobs" in part:
                part["logprobs"] = part["logprobs"] + event["logprobs"]
