"""Events -> the events of Anthropic's stream, and an answer -> a Message.

Knows nothing of the request but how its reply is to be written.
"""

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
    Part,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    Usage,
)
from server.dialects.anthropic_errors import error_frame
from server.dialects.arguments import arguments_object
from server.dialects.base import sse

PING = sse({"type": "ping"}, event="ping")

_encode = msgspec.json.encode
# A part's kind -> (the type of its deltas, their field).
_DELTAS: dict[PartKind, tuple[bytes, bytes]] = {
    "reasoning": (b"thinking_delta", b"thinking"),
    "preamble": (b"text_delta", b"text"),
    "text": (b"text_delta", b"text"),
    "tool_call": (b"input_json_delta", b"partial_json"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStyle:
    """How a client wants its reply: `id` is the message's, `thinking` whether to show it."""

    id: str
    request_id: str
    model: str
    thinking: bool = False


class MessageReply:
    """One reply (`dialects.base.Reply`) with the state of one stream: blocks are counted as they
    are shown.
    """

    def __init__(self, style: MessageStyle) -> None:
        self.style = style
        self._blocks = 0
        self._kind: PartKind = "text"
        self._delta_head = b""

    def frames(self, index: int, event: Event) -> bytes:  # noqa: ARG002 - there is one choice
        match event:
            case PartDelta():
                return self._delta(event)
            case PartStarted():
                return self._block(event)
            case PartEnded():
                return self._stop()
            case Started():
                return self._start(event)
            case Finished():
                return self._finish(event)
            case _:
                assert_never(event)

    def end(self) -> bytes:
        return _frame({"type": "message_stop"})

    def failure(self, error: ServerError) -> bytes:
        return error_frame(error, self.style.request_id)

    def body(self, answers: Sequence[Answer]) -> bytes:
        (answer,) = answers
        finished = answer.finished
        message = self._message(self._content(answer), _usage(finished.usage))
        message |= _ending(finished)
        if finished.warning:
            message["warning"] = finished.warning
        return _encode(message)

    # --- one event --------------------------------------------------------------------------------

    def _start(self, started: Started) -> bytes:
        # How much of the prompt was remembered is known at the end only.
        message = self._message([], _usage(Usage(prompt_tokens=started.prompt_tokens)))
        return _frame({"type": "message_start", "message": message})

    def _block(self, part: PartStarted) -> bytes:
        self._kind = part.kind
        if self._hidden:
            return b""
        kind, field = _DELTAS[part.kind]
        self._delta_head = (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
            b'{"type":"%b","%b":' % (self._blocks, kind, field)
        )
        start = {
            "type": "content_block_start",
            "index": self._blocks,
            "content_block": _empty_block(part),
        }
        # Anthropic's own streams have one here.
        return _frame(start) + PING * (self._blocks == 0)

    def _delta(self, delta: PartDelta) -> bytes:
        return b"" if self._hidden else self._delta_head + _encode(delta.text) + b"}}\n\n"

    def _stop(self) -> bytes:
        if self._hidden:
            return b""
        frames = b""
        if self._kind == "reasoning":
            delta = {"type": "signature_delta", "signature": self.style.id}
            frames = _frame({"type": "content_block_delta", "index": self._blocks, "delta": delta})
        frames += _frame({"type": "content_block_stop", "index": self._blocks})
        self._blocks += 1
        return frames

    def _finish(self, finished: Finished) -> bytes:
        frames = b""
        if not self._blocks:
            frames = self._block(PartStarted(index=0, kind="text")) + self._stop()
        event: dict[str, Any] = {
            "type": "message_delta",
            "delta": _ending(finished),
            "usage": _usage(finished.usage),
        }
        if finished.warning:
            event["warning"] = finished.warning
        return frames + _frame(event)

    @property
    def _hidden(self) -> bool:
        return self._kind == "reasoning" and not self.style.thinking

    # --- a whole message --------------------------------------------------------------------------

    def _message(self, content: list[dict[str, Any]], usage: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": self.style.id,
            "type": "message",
            "role": "assistant",
            "model": self.style.model,
            "content": content,
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }

    def _content(self, answer: Answer) -> list[dict[str, Any]]:
        """The blocks of an answer, at least one: an answer that was cut while thinking is an empty
        text.
        """
        blocks = [
            self._whole_block(part)
            for part in answer.parts
            if self.style.thinking or part.kind != "reasoning"
        ]
        return blocks or [{"type": "text", "text": ""}]

    def _whole_block(self, part: Part) -> dict[str, Any]:
        if part.kind == "tool_call":
            arguments = arguments_object(part.text)
            return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": arguments}
        if part.kind == "reasoning":
            # Some clients forget thoughts that are not signed; ours name the message they are of.
            return {"type": "thinking", "thinking": part.text, "signature": self.style.id}
        return {"type": "text", "text": part.text}


def _frame(event: dict[str, Any]) -> bytes:
    return sse(event, event=event["type"])


def _empty_block(part: PartStarted) -> dict[str, Any]:
    if part.kind == "tool_call":
        return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": {}}
    if part.kind == "reasoning":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _ending(finished: Finished) -> dict[str, Any]:
    """Why it ended, in the two fields of a message that say so."""
    if finished.reason == "stop":
        reason = "end_turn" if finished.stop_string is None else "stop_sequence"
        return {"stop_reason": reason, "stop_sequence": finished.stop_string}
    reason = "max_tokens" if finished.reason == "length" else "tool_use"
    return {"stop_reason": reason, "stop_sequence": None}


def _usage(usage: Usage) -> dict[str, Any]:
    """Anthropic counts remembered tokens apart from the others of the prompt."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }
