"""Events -> server-sent events of plain text, and an answer -> `{response, model, usage}`.

What the model thinks is not shown.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from typing_extensions import assert_never

from server.core.errors import ServerError
from server.core.events import (
    Answer,
    Event,
    Finished,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    Usage,
)
from server.dialects.base import sse
from server.dialects.openai_errors import error_object

# What ends a line of a server-sent event; in a text each begins another line of the same event.
_LINE_END = re.compile(r"\r\n|\r|\n")
_DONE = "[DONE]"
_VISIBLE: tuple[PartKind, ...] = ("text", "preamble")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleStyle:
    """The model's name to be echoed, and whether a stream is of JSON objects."""

    model: str
    as_json: bool = False


class SimpleReply:
    """One reply (`dialects.base.Reply`) with one choice."""

    def __init__(self, style: SimpleStyle) -> None:
        self.style = style
        self._open: PartKind = "text"

    def frames(self, index: int, event: Event) -> bytes:  # noqa: ARG002
        match event:
            case PartDelta():
                return self._text(event.text) if self._open in _VISIBLE else b""
            case PartStarted():
                self._open = event.kind
                return b""
            case Finished():
                return sse({"done": True} | self._end(event)) if self.style.as_json else b""
            case Started() | PartEnded():
                return b""
            case _:
                assert_never(event)

    def end(self) -> bytes:
        return _text_event(_DONE)

    def failure(self, error: ServerError) -> bytes:
        if self.style.as_json:
            return sse({"error": error_object(error), "detail": error.message})
        return b"event: error\n" + _text_event(f"Error: {error.message}")

    def body(self, answers: Sequence[Answer]) -> bytes:
        (answer,) = answers
        text = "".join(part.text for part in answer.parts if part.kind in _VISIBLE)
        return msgspec.json.encode({"response": text} | self._end(answer.finished))

    def _end(self, finished: Finished) -> dict[str, Any]:
        said = {
            "model": self.style.model,
            "usage": _usage(finished.usage),
            "finish_reason": finished.reason,
        }
        return said | ({"warning": finished.warning} if finished.warning else {})

    def _text(self, text: str) -> bytes:
        if self.style.as_json:
            return sse({"response": text, "done": False})
        if text == _DONE:
            # Readers would take it for the end.
            return _text_event(text[:1]) + _text_event(text[1:])
        return _text_event(text)


def _text_event(text: str) -> bytes:
    """Raw text as one event: every line of it a `data:` line."""
    return b"".join(b"data: " + line.encode() + b"\n" for line in _LINE_END.split(text)) + b"\n"


def _usage(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }
