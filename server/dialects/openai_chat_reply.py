"""Events -> chat completion chunks, and answers -> a chat completion.

Knows nothing of the request but how its reply is to be written. What the model says to the user
before it calls a tool (a preamble) has no place in this dialect: it is dropped, unless it turns out
to be all there is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from typing_extensions import assert_never

from server.core.errors import ServerError
from server.core.events import (
    Answer,
    Event,
    Finished,
    FinishReason,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    TokenLogprob,
)
from server.core.messages import ToolCall
from server.dialects.openai_errors import error_frame
from server.dialects.openai_logprobs import token_objects
from server.dialects.openai_timings import timings_object
from server.dialects.openai_usage import usage_object

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyStyle:
    """How a client wants its reply: the fields that are the same in every chunk, and what to show.

    `reasoning_fields` are the names that carry the reasoning; `functions` speaks the older dialect
    of function calls; `timings` tells how long it took, as llama.cpp's server does.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    choices: int = 1
    include_usage: bool = False
    reasoning_fields: tuple[str, ...] = ("reasoning", "reasoning_content")
    functions: bool = False
    logprobs: bool = False
    timings: bool = False


@dataclass(slots=True)
class _Choice:
    """How far the stream of one choice is."""

    head: bytes
    open: PartKind = "text"
    calls: int = 0
    has_text: bool = False
    preamble: list[str] = field(default_factory=list)
    finished: Finished | None = None


class ChatReply:
    """One reply (`dialects.base.Reply`). What no event changes is written once, here."""

    def __init__(self, style: ReplyStyle) -> None:
        self.style = style
        head = b"data: " + _encode(_envelope(style, "chat.completion.chunk"))[:-1]
        self._choices = [
            _Choice(head=head + b',"choices":[{"index":%d,"delta":' % index)
            for index in range(style.choices)
        ]
        self._usage_head = head + b',"choices":[],"usage":'
        self._tail = b',"usage":null}\n\n' if style.include_usage else b"}\n\n"
        self._plain_tail = b',"logprobs":null,"finish_reason":null}]' + self._tail

    def frames(self, index: int, event: Event) -> bytes:
        choice = self._choices[index]
        match event:
            case PartDelta():
                return self._delta(choice, event)
            case PartStarted():
                return self._part(choice, event)
            case PartEnded():
                return b""
            case Started():
                role = b'{"role":"assistant","content":"","refusal":null}'
                return choice.head + role + self._plain_tail
            case Finished():
                return self._finish(choice, event)
            case _:
                assert_never(event)

    def end(self) -> bytes:
        done = b"data: [DONE]\n\n"
        if not self.style.include_usage:
            return done
        ends = [choice.finished for choice in self._choices if choice.finished]
        last = self._usage_head + _encode(usage_object([end.usage for end in ends]))
        if self.style.timings:
            last += b',"timings":' + _encode(timings_object(ends))
        return last + b"}\n\n" + done

    def failure(self, error: ServerError) -> bytes:
        return error_frame(error)

    def body(self, answers: Sequence[Answer]) -> bytes:
        reply = _envelope(self.style, "chat.completion")
        reply["choices"] = [
            self._choice_object(index, answer) for index, answer in enumerate(answers)
        ]
        ends = [answer.finished for answer in answers]
        reply["usage"] = usage_object([end.usage for end in ends])
        if self.style.timings:
            reply["timings"] = timings_object(ends)
        if warnings := [end.warning for end in ends if end.warning]:
            reply["warning"] = " ".join(dict.fromkeys(warnings))
        return _encode(reply)

    # --- one event --------------------------------------------------------------------------------

    def _part(self, choice: _Choice, part: PartStarted) -> bytes:
        choice.open = part.kind
        if part.kind != "tool_call":
            return b""
        choice.calls += 1
        if self.style.functions:
            if choice.calls > 1:
                return b""
            return self._chunk(choice, {"function_call": {"name": part.name, "arguments": ""}})
        call = {
            "index": choice.calls - 1,
            "id": part.call_id,
            "type": "function",
            "function": {"name": part.name, "arguments": ""},
        }
        return self._chunk(choice, {"tool_calls": [call]})

    def _delta(self, choice: _Choice, delta: PartDelta) -> bytes:
        match choice.open:
            case "text":
                return self._text(choice, delta)
            case "reasoning":
                return self._reasoning(choice, delta.text)
            case "tool_call":
                return self._arguments(choice, delta.text)
            case "preamble":
                choice.preamble.append(delta.text)
                return b""
            case _:
                assert_never(choice.open)

    def _text(self, choice: _Choice, delta: PartDelta) -> bytes:
        choice.has_text = True
        content = choice.head + b'{"content":' + _encode(delta.text) + b"}"
        if not self.style.logprobs:
            return content + self._plain_tail
        logprobs = _encode(_logprobs_object(delta.logprobs))
        return content + b',"logprobs":' + logprobs + b',"finish_reason":null}]' + self._tail

    def _reasoning(self, choice: _Choice, text: str) -> bytes:
        fields = self.style.reasoning_fields
        return self._chunk(choice, dict.fromkeys(fields, text)) if fields else b""

    def _arguments(self, choice: _Choice, text: str) -> bytes:
        if not self.style.functions:
            call = {"index": choice.calls - 1, "function": {"arguments": text}}
            return self._chunk(choice, {"tool_calls": [call]})
        if choice.calls > 1:
            return b""
        return self._chunk(choice, {"function_call": {"arguments": text}})

    def _chunk(self, choice: _Choice, delta: Mapping[str, Any]) -> bytes:
        return choice.head + _encode(delta) + self._plain_tail

    def _finish(self, choice: _Choice, finished: Finished) -> bytes:
        choice.finished = finished
        spare = b""
        if choice.preamble and not choice.has_text and not choice.calls:
            spare = self._chunk(choice, {"content": "".join(choice.preamble)})
        reason = _encode(self._reason(finished.reason))
        last = choice.head + b'{},"logprobs":null,"finish_reason":' + reason + b"}]"
        if finished.warning:
            last += b',"warning":' + _encode(finished.warning)
        if self.style.timings and not self.style.include_usage:
            last += b',"timings":' + _encode(timings_object([finished]))
        return spare + last + self._tail

    def _reason(self, reason: FinishReason) -> str:
        return "function_call" if self.style.functions and reason == "tool_calls" else reason

    # --- one answer -------------------------------------------------------------------------------

    def _choice_object(self, index: int, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": _content(answer),
            "refusal": None,
        }
        if answer.reasoning is not None:
            message |= dict.fromkeys(self.style.reasoning_fields, answer.reasoning)
        if answer.tool_calls:
            message |= self._calls_object(answer.tool_calls)
        return {
            "index": index,
            "message": message,
            "logprobs": _logprobs_object(answer.logprobs) if self.style.logprobs else None,
            "finish_reason": self._reason(answer.finished.reason),
        }

    def _calls_object(self, calls: Sequence[ToolCall]) -> dict[str, Any]:
        functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
        if self.style.functions:
            return {"function_call": functions[0]}
        return {
            "tool_calls": [
                {"id": call.id, "type": "function", "function": function}
                for call, function in zip(calls, functions, strict=True)
            ]
        }


def _envelope(style: ReplyStyle, kind: str) -> dict[str, Any]:
    return {
        "id": style.id,
        "object": kind,
        "created": style.created,
        "model": style.model,
        "system_fingerprint": style.fingerprint,
    }


def _content(answer: Answer) -> str | None:
    """Null beside tool calls, else a string: an answer that was cut while thinking is empty."""
    if answer.tool_calls:
        return answer.text
    return answer.text or answer.preamble or ""


def _logprobs_object(logprobs: Sequence[TokenLogprob]) -> dict[str, Any]:
    return {"content": token_objects(logprobs), "refusal": None}
