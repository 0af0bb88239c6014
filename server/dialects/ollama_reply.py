"""Events -> the lines of Ollama's streams, and an answer -> its one object; for chat and generate.

Knows nothing of the request but how its reply is to be written. A tool call is held until it is
whole.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec
from typing_extensions import assert_never

from server.core.errors import ServerError
from server.core.events import (
    Answer,
    Event,
    Finished,
    PartDelta,
    PartEnded,
    PartStarted,
    Started,
)
from server.core.messages import ToolCall
from server.dialects.arguments import arguments_object
from server.dialects.ollama_errors import error_line
from server.dialects.openai_logprobs import token_objects

MEDIA_TYPE = "application/x-ndjson"
# What a line of JSON may begin with; an empty line would be an error to Ollama's own clients.
PING = b" "
NANOSECONDS = 1_000_000_000

Endpoint: TypeAlias = Literal["chat", "generate"]
Clock: TypeAlias = Callable[[], datetime]

_encode = msgspec.json.encode
# Ends of lines to some clients (ollama-python's among them), and ordinary characters to JSON.
_LINE_ENDS = tuple((chr(code).encode(), b"\\u%04x" % code) for code in (0x85, 0x2028, 0x2029))


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaStyle:
    """How a client wants its reply. `clock` gives the time in UTC; `context` makes generate's
    context of the answer's text.
    """

    endpoint: Endpoint
    model: str
    clock: Clock
    thinking: bool = True
    logprobs: bool = False
    context: Callable[[str], list[int]] | None = None


class OllamaReply:
    """One reply (`dialects.base.Reply`) with the state of one stream."""

    def __init__(self, style: OllamaStyle) -> None:
        self.style = style
        self._part = PartStarted(index=0, kind="text")
        self._said: list[str] = []
        self._arguments: list[str] = []
        self._calls = 0

    def frames(self, index: int, event: Event) -> bytes:  # noqa: ARG002 - there is one choice
        match event:
            case PartDelta():
                return self._delta(event)
            case PartStarted():
                self._part = event
                self._arguments = []
                return b""
            case PartEnded():
                return self._call() if self._part.kind == "tool_call" else b""
            case Started():
                return b""
            case Finished():
                said = _said(self.style.endpoint, "")
                return _json_line(self._last(said, "".join(self._said), event))
            case _:
                assert_never(event)

    def end(self) -> bytes:
        return b""

    def failure(self, error: ServerError) -> bytes:
        return error_line(error)

    def body(self, answers: Sequence[Answer]) -> bytes:
        (answer,) = answers
        text = "".join(part.text for part in answer.parts if part.kind in ("text", "preamble"))
        thinking = answer.reasoning if self.style.thinking else None
        calls = [_call_object(index, call) for index, call in enumerate(answer.tool_calls)]
        reply = self._last(_said(self.style.endpoint, text, thinking, calls), text, answer.finished)
        if self.style.logprobs:
            reply["logprobs"] = token_objects(answer.logprobs)
        return _encode(reply)

    def _delta(self, delta: PartDelta) -> bytes:
        endpoint = self.style.endpoint
        match self._part.kind:
            case "reasoning":
                if not self.style.thinking:
                    return b""
                return self._line(_said(endpoint, "", delta.text))
            case "tool_call":
                self._arguments.append(delta.text)
                return b""
            case "text" | "preamble":
                self._said.append(delta.text)
                said = _said(endpoint, delta.text)
                if self.style.logprobs:
                    said["logprobs"] = token_objects(delta.logprobs)
                return self._line(said)
            case _:
                assert_never(self._part.kind)

    def _call(self) -> bytes:
        part = self._part
        call = ToolCall(id=part.call_id, name=part.name, arguments="".join(self._arguments))
        self._calls += 1
        return self._line(
            _said(self.style.endpoint, "", None, [_call_object(self._calls - 1, call)])
        )

    def _line(self, said: dict[str, Any]) -> bytes:
        return _json_line({**_head(self.style), **said, "done": False})

    def _last(self, said: dict[str, Any], whole: str, finished: Finished) -> dict[str, Any]:
        last = {**_head(self.style), **said, "done": True}
        last["done_reason"] = "length" if finished.reason == "length" else "stop"
        if self.style.context is not None:
            last["context"] = self.style.context(whole)
        if finished.warning:
            last["warning"] = finished.warning
        return last | _metrics(finished)


def load_body(style: OllamaStyle, *, unload: bool) -> bytes:
    """The reply to a request that has nothing to be answered."""
    reply = {**_head(style), **_said(style.endpoint, ""), "done": True}
    return _encode(reply | {"done_reason": "unload" if unload else "load"})


def time_text(moment: datetime) -> str:
    """A moment in UTC as Ollama writes it, but for its nanoseconds, which few clients can read."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _json_line(value: dict[str, Any]) -> bytes:
    line = _encode(value)
    for character, escaped in _LINE_ENDS:
        if character in line:
            line = line.replace(character, escaped)
    return line + b"\n"


def _head(style: OllamaStyle) -> dict[str, Any]:
    return {"model": style.model, "created_at": time_text(style.clock())}


def _said(
    endpoint: Endpoint,
    text: str,
    thinking: str | None = None,
    calls: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """What the model said, in the fields of a chat's or a generate's reply."""
    said: dict[str, Any] = {"thinking": thinking} if thinking else {}
    if calls:
        said["tool_calls"] = list(calls)
    if endpoint == "generate":
        return {"response": text, **said}
    return {"message": {"role": "assistant", "content": text, **said}}


def _call_object(index: int, call: ToolCall) -> dict[str, Any]:
    function = {"index": index, "name": call.name, "arguments": arguments_object(call.arguments)}
    return {"id": call.id, "function": function}


def _metrics(finished: Finished) -> dict[str, int]:
    """Durations in nanoseconds. Waiting for a place counts as loading."""
    usage, timings = finished.usage, finished.timings
    parts = [
        round(seconds * NANOSECONDS)
        for seconds in (timings.queue_s, timings.prompt_s, timings.generation_s)
    ]
    return {
        "total_duration": sum(parts),
        "load_duration": parts[0],
        "prompt_eval_count": usage.prompt_tokens,
        "prompt_eval_cached_count": usage.cached_tokens,
        "prompt_eval_duration": parts[1],
        "eval_count": usage.completion_tokens,
        "eval_duration": parts[2],
    }
