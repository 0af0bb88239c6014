"""Events -> the events of a streamed response, and answers -> a response.

Knows nothing of the request but how its reply is to be written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from typing_extensions import assert_never

from server.core.errors import ServerError
from server.core.events import (
    Answer,
    Event,
    Finished,
    Part,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
    whole_part,
)
from server.dialects.openai_errors import error_object
from server.dialects.openai_logprobs import token_objects
from server.dialects.openai_responses_objects import (
    ItemStatus,
    Json,
    ResponseStyle,
    begun_response,
    content_object,
    failed_response,
    finished_response,
    item_id,
    item_object,
)

_encode = msgspec.json.encode


@dataclass(slots=True)
class _OpenItem:
    """The item that is being written; `place` is what all its events say of it."""

    id: str
    head: PartStarted
    place: Json
    deltas: list[PartDelta] = field(default_factory=list)

    def part(self) -> Part:
        return whole_part(self.head, self.deltas)


class ResponsesReply:
    """One reply (`dialects.base.Reply`). `keep` gets the whole response as soon as it is there,
    before the client does.
    """

    def __init__(self, style: ResponseStyle, keep: Callable[[bytes], None]) -> None:
        self.style = style
        self._keep = keep
        self._sequence = 0
        self._done: list[Json] = []
        self._open: _OpenItem | None = None

    def frames(self, index: int, event: Event) -> bytes:  # noqa: ARG002
        match event:
            case PartDelta():
                return self._delta(event)
            case PartStarted():
                return self._close("completed") + self._begin(event)
            case PartEnded():
                # Only what comes next tells whether this item is whole or was cut.
                return b""
            case Started():
                begun = {"response": begun_response(self.style)}
                return self._frame("response.created", begun) + self._frame(
                    "response.in_progress", begun
                )
            case Finished():
                return self._finish(event)
            case _:
                assert_never(event)

    def end(self) -> bytes:
        return b""

    def failure(self, error: ServerError) -> bytes:
        """The failed response, for those who read events, then the error that makes the openai
        package raise.
        """
        output = list(self._done)
        if self._open is not None:
            output.append(self._item(self._open, "incomplete"))
        words = error_object(error)
        response = failed_response(
            self.style, output, {"code": words["code"], "message": words["message"]}
        )
        flat = {name: words[name] for name in ("code", "message", "param")}
        return self._frame("response.failed", {"response": response}) + self._frame(
            "error", {**flat, "error": words}
        )

    def body(self, answers: Sequence[Answer]) -> bytes:
        (answer,) = answers
        last = answer.parts[-1] if answer.parts else None
        cut = answer.finished.reason == "length"
        shown = [part for part in answer.parts if self.style.shows(part.kind)]
        output = [
            item_object(
                self.style,
                part,
                item_id(self.style, part.kind, position),
                "incomplete" if cut and part is last else "completed",
            )
            for position, part in enumerate(shown)
        ]
        return self._whole(output, answer.finished)

    # --- one event --------------------------------------------------------------------------------

    def _begin(self, head: PartStarted) -> bytes:
        if not self.style.shows(head.kind):
            return b""
        position = len(self._done)
        id_ = item_id(self.style, head.kind, position)
        place: Json = {"item_id": id_, "output_index": position}
        item = self._open = _OpenItem(id=id_, head=head, place=place)
        added = self._frame(
            "response.output_item.added",
            {"output_index": position, "item": self._item(item, "in_progress")},
        )
        if head.kind == "tool_call":
            return added
        place["content_index"] = 0
        part = content_object(self.style, item.part())
        return added + self._frame("response.content_part.added", {**place, "part": part})

    def _delta(self, delta: PartDelta) -> bytes:
        item = self._open
        if item is None:
            return b""
        item.deltas.append(delta)
        told = {**item.place, "delta": delta.text}
        match item.head.kind:
            case "reasoning":
                return self._frame("response.reasoning_text.delta", told)
            case "tool_call":
                return self._frame("response.function_call_arguments.delta", told)
            case "preamble" | "text":
                logprobs = token_objects(delta.logprobs) if self.style.logprobs else []
                return self._frame("response.output_text.delta", {**told, "logprobs": logprobs})

    def _close(self, status: ItemStatus) -> bytes:
        """Everything that ends the open item, if one is open."""
        item, self._open = self._open, None
        if item is None:
            return b""
        whole = self._item(item, status)
        self._done.append(whole)
        done = {"output_index": item.place["output_index"], "item": whole}
        return self._written(item) + self._frame("response.output_item.done", done)

    def _written(self, item: _OpenItem) -> bytes:
        part = item.part()
        if part.kind == "tool_call":
            arguments = {**item.place, "name": part.name, "arguments": part.text}
            return self._frame("response.function_call_arguments.done", arguments)
        content = content_object(self.style, part)
        told = {**item.place, "text": part.text}
        if part.kind == "reasoning":
            text = self._frame("response.reasoning_text.done", told)
        else:
            told["logprobs"] = content["logprobs"]
            text = self._frame("response.output_text.done", told)
        return text + self._frame("response.content_part.done", {**item.place, "part": content})

    def _finish(self, finished: Finished) -> bytes:
        cut = finished.reason == "length"
        closed = self._close("incomplete" if cut else "completed")
        response = msgspec.Raw(self._whole(self._done, finished))
        end = "response.incomplete" if cut else "response.completed"
        return closed + self._frame(end, {"response": response})

    def _whole(self, output: Sequence[Json], finished: Finished) -> bytes:
        whole = _encode(finished_response(self.style, output, finished))
        self._keep(whole)
        return whole

    def _item(self, item: _OpenItem, status: ItemStatus) -> Json:
        return item_object(self.style, item.part(), item.id, status)

    def _frame(self, type_: str, fields: dict[str, Any]) -> bytes:
        """One server-sent event, named after its type and numbered from 0."""
        told = {"type": type_, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (type_.encode(), _encode(told))
