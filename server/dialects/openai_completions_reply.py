"""Events -> completion chunks, and answers -> a completion.

Knows nothing of the request but how its reply is to be written. This dialect has no words for
reasoning: it is dropped.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
    TokenLogprob,
)
from server.dialects.openai_errors import error_frame
from server.dialects.openai_logprobs import LegacyLogprobs
from server.dialects.openai_timings import timings_object
from server.dialects.openai_usage import usage_object

_encode = msgspec.json.encode
_VISIBLE: tuple[PartKind, ...] = ("text", "preamble")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletionStyle:
    """How a client wants its reply: the fields that are the same in every chunk, and what to show.

    `choices` come `per_prompt` in a row; `echoes` are the prompts' texts, one a prompt, to be
    repeated before each answer; empty for none.
    """

    id: str
    created: int
    model: str
    fingerprint: str
    choices: int = 1
    per_prompt: int = 1
    include_usage: bool = False
    logprobs: bool = False
    timings: bool = False
    echoes: tuple[str, ...] = ()

    def echo(self, index: int) -> str:
        """What stands before the answer of this choice."""
        return self.echoes[index // self.per_prompt] if self.echoes else ""


@dataclass(slots=True)
class _Choice:
    """How far the stream of one choice is."""

    open: PartKind = "text"
    logprobs: LegacyLogprobs = field(default_factory=LegacyLogprobs)
    finished: Finished | None = None


class CompletionsReply:
    """One reply (`dialects.base.Reply`)."""

    def __init__(self, style: CompletionStyle) -> None:
        self.style = style
        self._head = b"data: " + _encode(_envelope(style))[:-1] + b',"choices":['
        self._choices = [_Choice() for _ in range(style.choices)]

    def frames(self, index: int, event: Event) -> bytes:
        choice = self._choices[index]
        match event:
            case PartDelta():
                return self._delta(index, choice, event)
            case PartStarted():
                choice.open = event.kind
                return b""
            case PartEnded():
                return b""
            case Started():
                echo = self.style.echo(index)
                return self._chunk(self._choice(index, echo)) if echo else b""
            case Finished():
                choice.finished = event
                return self._finish(index, event)
            case _:
                assert_never(event)

    def end(self) -> bytes:
        done = b"data: [DONE]\n\n"
        if not self.style.include_usage:
            return done
        ends = [choice.finished for choice in self._choices if choice.finished]
        usage = usage_object([end.usage for end in ends], self.style.per_prompt)
        last = self._head + b'],"usage":' + _encode(usage)
        if self.style.timings:
            last += b',"timings":' + _encode(timings_object(ends))
        return last + b"}\n\n" + done

    def failure(self, error: ServerError) -> bytes:
        return error_frame(error)

    def body(self, answers: Sequence[Answer]) -> bytes:
        reply = _envelope(self.style)
        reply["choices"] = [self._whole(index, answer) for index, answer in enumerate(answers)]
        ends = [answer.finished for answer in answers]
        reply["usage"] = usage_object([end.usage for end in ends], self.style.per_prompt)
        if self.style.timings:
            reply["timings"] = timings_object(ends)
        if warnings := [end.warning for end in ends if end.warning]:
            reply["warning"] = " ".join(dict.fromkeys(warnings))
        return _encode(reply)

    def _delta(self, index: int, choice: _Choice, delta: PartDelta) -> bytes:
        if choice.open not in _VISIBLE:
            return b""
        logprobs = self._logprobs(choice.logprobs, delta.logprobs)
        return self._chunk(self._choice(index, delta.text, logprobs))

    def _finish(self, index: int, finished: Finished) -> bytes:
        more: dict[str, Any] = {"warning": finished.warning} if finished.warning else {}
        if self.style.timings and not self.style.include_usage:
            more["timings"] = timings_object([finished])
        return self._chunk(self._choice(index, "", reason=finished.reason), more)

    def _chunk(self, choice: dict[str, Any], more: dict[str, Any] | None = None) -> bytes:
        rest = {**(more or {}), **({"usage": None} if self.style.include_usage else {})}
        tail = b"}" if not rest else b"," + _encode(rest)[1:]
        return self._head + _encode(choice) + b"]" + tail + b"\n\n"

    def _whole(self, index: int, answer: Answer) -> dict[str, Any]:
        shown = [part for part in answer.parts if part.kind in _VISIBLE]
        tokens = [token for part in shown for token in part.logprobs]
        return self._choice(
            index,
            self.style.echo(index) + "".join(part.text for part in shown),
            self._logprobs(LegacyLogprobs(), tokens),
            answer.finished.reason,
        )

    def _choice(
        self, index: int, text: str, logprobs: Any = None, reason: str | None = None
    ) -> dict[str, Any]:
        return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": reason}

    def _logprobs(
        self, written: LegacyLogprobs, tokens: Iterable[TokenLogprob]
    ) -> dict[str, Any] | None:
        return written.object_of(tokens) if self.style.logprobs else None


def _envelope(style: CompletionStyle) -> dict[str, Any]:
    return {
        "id": style.id,
        "object": "text_completion",
        "created": style.created,
        "model": style.model,
        "system_fingerprint": style.fingerprint,
    }
