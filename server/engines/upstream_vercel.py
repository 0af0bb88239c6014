"""The wire of a minimal chatbot on Vercel's AI SDK: messages in, lines of its data stream out, each
a letter or digit, a colon and JSON.

It takes messages and nothing else: lengths, sampling and reasoning are the other server's.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from server.core.events import Event, Usage
from server.core.request import GenerationRequest
from server.engines.upstream_answer import AnswerWriter
from server.engines.upstream_exchange import Outgoing
from server.engines.upstream_lines import EndlessLine, Lines
from server.engines.upstream_options import UpstreamOptions
from server.engines.upstream_plain import plain_messages
from server.engines.upstream_refusals import told_failure, unanswered
from server.engines.upstream_wire import content

_TEXT, _FAILURE, _REASONING, _STEP_END, _END = b"0", b"3", b"g", b"e", b"d"
# The SDK's words for why it ended -> OpenAI's.
_REASONS = {"length": "length", "content-filter": "content_filter"}


class VercelWire:
    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options

    def outgoing(self, request: GenerationRequest) -> Outgoing:
        prefix = f"{self._options.session_prefix}-" if self._options.session_prefix else ""
        messages = plain_messages(request, self._options.name)
        body = {
            "id": f"{prefix}{uuid.uuid4()}",
            "modelId": self._options.model,
            "messages": [{"role": role, "content": content(said)} for role, said in messages],
        }
        return Outgoing(url=self._options.base_url, body=msgspec.json.encode(body))

    def reader(self, _: GenerationRequest) -> "VercelReader":
        return VercelReader(self._options.name)


class _Counts(msgspec.Struct):
    """JSON has no number for what the SDK does not know: it is null then."""

    prompt: float | None = msgspec.field(name="promptTokens", default=None)
    completion: float | None = msgspec.field(name="completionTokens", default=None)


class _Ending(msgspec.Struct):
    reason: str | None = msgspec.field(name="finishReason", default=None)
    usage: _Counts | None = None
    continued: bool = msgspec.field(name="isContinued", default=False)


class VercelReader:
    """Ends with the message, or with its last step where that is all that comes."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lines = Lines()
        self._answer = AnswerWriter()
        self._reason: str | None = None
        self._usage: Usage | None = None
        self.done = False

    @property
    def complete(self) -> bool:
        return self._reason is not None

    def feed(self, data: bytes) -> Iterator[Event]:
        yield from self._read(lambda: self._lines.feed(data))

    def finish(self) -> Iterator[Event]:
        if not self.done:
            yield from self._read(self._lines.finish)
        if not self.complete:
            raise unanswered(self._name, "ended before its answer was finished")
        yield from self._answer.finish(self._reason, self._usage)

    def _read(self, lines: Callable[[], list[bytes]]) -> Iterator[Event]:
        try:
            for line in lines():
                if line.strip() and not self.done:
                    yield from self._line(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, EndlessLine):
            raise unanswered(self._name, "says what is no answer of its protocol") from None

    def _line(self, line: bytes) -> Iterator[Event]:
        kind, colon, data = line.partition(b":")
        if not colon or len(kind) != 1:
            raise msgspec.DecodeError
        if kind == _FAILURE:
            raise self._failure(msgspec.json.decode(data))
        yield from self._answer.begin()
        if kind == _TEXT:
            yield from self._answer.say(msgspec.json.decode(data, type=str))
        elif kind == _REASONING:
            yield from self._answer.reason(msgspec.json.decode(data, type=str))
        elif kind in (_STEP_END, _END):
            self._end(msgspec.json.decode(data, type=_Ending), is_last=kind == _END)

    def _end(self, ending: _Ending, *, is_last: bool) -> None:
        if ending.continued:
            return
        reason = ending.reason or "stop"
        if reason == "error":
            raise unanswered(self._name, "failed amid its answer")
        self._reason = _REASONS.get(reason, "stop")
        self._usage = _usage(ending.usage) or self._usage
        self.done = is_last

    def _failure(self, told: Any) -> Exception:
        return told_failure(self._name, {"error": told}) or unanswered(
            self._name, "failed amid its answer"
        )


def _usage(counts: _Counts | None) -> Usage | None:
    if counts is None or not (counts.prompt or counts.completion):
        return None
    return Usage(
        prompt_tokens=max(int(counts.prompt or 0), 0),
        completion_tokens=max(int(counts.completion or 0), 0),
    )
