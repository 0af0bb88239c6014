"""The wire of gpt-oss.com's chat: a conversation in, a thread of items out, as server-sent events.

It takes a text and an effort and nothing else: lengths and sampling are the other server's.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from server.core.events import Event
from server.core.request import GenerationRequest
from server.engines.upstream_answer import AnswerWriter
from server.engines.upstream_exchange import Outgoing
from server.engines.upstream_lines import EndlessLine, Frame, Frames
from server.engines.upstream_options import UpstreamOptions
from server.engines.upstream_plain import plain_messages
from server.engines.upstream_refusals import told_failure, unanswered
from server.engines.upstream_wire import content

_PATH = "/chatkit"
_TEXT_DELTA = "assistant_message.content_part.text_delta"
_THOUGHT = "cot.entry_added"


class ChatkitWire:
    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options
        self._url = options.base_url.rstrip("/").removesuffix(_PATH) + _PATH

    def outgoing(self, request: GenerationRequest) -> Outgoing:
        text = self._text(request)
        asked = {
            "text": text,
            "content": [{"type": "input_text", "text": text}],
            "quoted_text": "",
            "attachments": [],
        }
        effort = "none" if request.reasoning_budget == 0 else request.effort or "medium"
        return Outgoing(
            url=self._url,
            body=msgspec.json.encode({"op": "threads.create", "params": {"input": asked}}),
            headers={
                "x-selected-model": self._options.model,
                "x-reasoning-effort": effort,
                "x-show-reasoning": "true",
            },
        )

    def reader(self, _: GenerationRequest) -> "ChatkitReader":
        return ChatkitReader(self._options.name)

    def _text(self, request: GenerationRequest) -> str:
        """One question as it is; of a longer conversation everything, each with who said it."""
        messages = plain_messages(request, self._options.name)
        texts = [(role, str(content(message))) for role, message in messages]
        if len(texts) == 1:
            return texts[0][1]
        return "\n".join(f"{role}: {text}" for role, text in texts)


class _Entry(msgspec.Struct):
    content: str | None = None
    summary: str | None = None
    type: str | None = None


class _Update(msgspec.Struct):
    type: str | None = None
    delta: str | None = None
    entry: _Entry | None = None


class _Item(msgspec.Struct):
    type: str | None = None


class _ThreadEvent(msgspec.Struct):
    type: str | None = None
    update: _Update | None = None
    item: _Item | None = None
    message: str | None = None


class ChatkitReader:
    """Ends with the item that is the assistant's message."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._frames = Frames()
        self._answer = AnswerWriter()
        self._thoughts = 0
        self.done = False

    @property
    def complete(self) -> bool:
        return self.done

    def feed(self, data: bytes) -> Iterator[Event]:
        yield from self._read(lambda: self._frames.feed(data))

    def finish(self) -> Iterator[Event]:
        if not self.done:
            yield from self._read(self._frames.finish)
        if not self.done:
            raise unanswered(self._name, "ended before its answer was finished")
        yield from self._answer.finish("stop", None)

    def _read(self, frames: Callable[[], Iterator[Frame]]) -> Iterator[Event]:
        try:
            for frame in frames():
                if not self.done:
                    yield from self._frame(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, EndlessLine):
            raise unanswered(self._name, "says what is no answer of its protocol") from None

    def _frame(self, data: bytes) -> Iterator[Event]:
        if not data:
            yield from self._answer.begin()
            return
        event = msgspec.json.decode(data, type=_ThreadEvent)
        if event.type == "error" or b'"error"' in data:
            self._check(msgspec.json.decode(data), event)
        yield from self._answer.begin()
        if event.type == "thread.item_updated" and event.update:
            yield from self._update(event.update)
        elif event.type == "thread.item_done" and event.item:
            self.done = event.item.type == "assistant_message"

    def _check(self, data: Any, event: _ThreadEvent) -> None:
        """Errors: ServerError for a failure that is told."""
        if error := told_failure(self._name, data):
            raise error
        if event.type == "error":
            raise told_failure(self._name, {"error": event.message or "unknown"}) or unanswered(
                self._name, "failed amid its answer"
            )

    def _update(self, update: _Update) -> Iterator[Event]:
        if update.type == _TEXT_DELTA:
            yield from self._answer.say(update.delta or "")
        elif update.type == _THOUGHT and update.entry and update.entry.type != "recap":
            text = (update.entry.content or update.entry.summary or "").strip()
            if text:
                # Entries are paragraphs.
                self._thoughts += 1
                yield from self._answer.reason(text if self._thoughts == 1 else f"\n{text}")
