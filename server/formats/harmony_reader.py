"""Harmony output as events, read token by token.

Expects what models really write and never fails: markup never becomes text, text is never lost,
and whatever had to be mended is said in `warning`.
"""

import itertools
import secrets
from collections.abc import Callable, Collection, Iterator
from typing import Protocol

from server.core.events import Event, FinishReason, PartKind, TokenLogprob
from server.formats.harmony_follow_ups import FollowUps
from server.formats.harmony_header import Channel, Header, HeaderBuffer
from server.formats.harmony_markers import Markers
from server.formats.part_writer import PartWriter
from server.formats.vocabulary import Vocabulary

CALL_ID_BYTES = 18  # 24 characters
NAMESPACE = "functions."


def new_call_id() -> str:
    return f"call_{secrets.token_urlsafe(CALL_ID_BYTES)}"


class HarmonyReader:
    """Reads one answer; see `formats.base.Reader`.

    analysis is reasoning; final, and what has no known channel, is text; commentary is a preamble
    if a call follows and text otherwise, so it waits until that is known (reasoning may pass it).
    A call of one of `tools` ends the answer; calls of anything else, and messages in another's
    name, are left out. Every message is a part of its own. `begun`: the prompt ends inside a final.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        markers: Markers,
        tools: Collection[str] = (),
        make_call_id: Callable[[], str] = new_call_id,
        *,
        begun: bool = False,
    ) -> None:
        self.reason: FinishReason = "stop"
        self.reasoning_tokens = 0
        self.visible_tokens = 0
        self.speaks = begun
        self.warning: str | None = None
        self._vocabulary = vocabulary
        self._markers = markers
        self._tools = frozenset(tools)
        self._make_call_id = make_call_id
        self._indices = itertools.count()
        self._commentary = _Commentary(self._indices)
        # The body of the message being read; None while its header is.
        self._body: _Body | None = PartWriter(self._indices, "text") if begun else None
        self._header = HeaderBuffer(answering=True)
        self._thinking = False
        self._answered = begun
        self._stray: str | None = None
        self._done = False

    def feed(self, token: int, logprob: TokenLogprob | None = None) -> list[Event]:
        if self._done:
            return []
        if self._vocabulary.is_control(token):
            return self._mark(token)
        data = self._vocabulary.bytes_of(token)
        if self._body is None:
            self._header.write(data, logprob)
            return self._begin_bare() if self._header.full else []
        self.reasoning_tokens += self._thinking
        self.visible_tokens += self.speaks
        return self._body.write(data, logprob)

    def follow_up(self) -> list[int]:
        if self._done:
            return []
        tell = FollowUps(self._vocabulary, self._markers)
        if self._stray is not None:
            stray, self._stray = self._stray, None
            self._header = HeaderBuffer(answering=True)
            return tell.no_such_tool(stray, sorted(self._tools))
        if self._answered:
            return []
        self._mend("The model ended without an answer; it was made to give one.")
        self._body = PartWriter(self._indices, "text")
        self._answered = self.speaks = True
        return tell.answer_now()

    def finish(self) -> list[Event]:
        events = [] if self._done else self._leave()
        self._done = True
        return events + self._commentary.release("text")

    def _mark(self, token: int) -> list[Event]:
        marks = self._markers
        if token == marks.end or token in marks.stops:
            return self._leave()
        if token == marks.start:
            return self._leave(HeaderBuffer(started=True))
        if token == marks.channel:
            events = self._leave() if self._body is not None else []
            self._header.begin_channel()
            return events
        if token == marks.message and self._body is None:
            return self._enter(self._header.parse())
        if token == marks.constrain and self._body is None:
            self._header.begin_type()
        else:
            self._mend("The model wrote a control token inside its text; it was left out.")
        return []

    def _leave(self, header: HeaderBuffer | None = None) -> list[Event]:
        """End the message being read, wherever in it we are; the next has this header."""
        events: list[Event] = []
        if self._body is None and not self._header.empty:
            events = self._begin_bare()
        if self._body is not None:
            events += self._body.end()
        self._body = None
        self._header = header or HeaderBuffer()
        self._thinking = self.speaks = False
        self._done = self.reason == "tool_calls"
        return events

    def _enter(self, header: Header) -> list[Event]:
        if header.author is not None:
            return self._leave_out(f"The model spoke as {header.author}; this was left out.")
        name = (header.recipient or "").removeprefix(NAMESPACE)
        if header.recipient == NAMESPACE + name and name in self._tools:
            return self._call(name)
        if header.recipient is not None and header.channel != "final":
            self._stray = header.recipient
            return self._leave_out(
                f"The model called {header.recipient}, which was not offered; this was left out."
            )
        return self._say(header.channel)

    def _begin_bare(self) -> list[Event]:
        """Read on as text what should have been a header."""
        channel, text = self._header.bare()
        if text is None or not (text or self._header.full):
            return self._leave_out("The model broke off in the header of a message.")
        self._mend("The model wrote text without the header of a message.")
        events = self._say(channel)
        assert self._body is not None
        self.visible_tokens += self._header.tokens * self.speaks
        for logprob in self._header.logprobs:
            events += self._body.write(b"", logprob)
        return events + self._body.write(text, None)

    def _say(self, channel: Channel | None) -> list[Event]:
        self._stray = None
        if channel == "analysis":
            self._thinking = True
            self._body = PartWriter(self._indices, "reasoning")
            return []
        self._answered = self.speaks = True
        if channel == "commentary":
            self._commentary.begin()
            self._body = self._commentary
            return []
        part = PartWriter(self._indices, "text")
        self._body = part
        return self._commentary.release("text") + part.begin()

    def _call(self, name: str) -> list[Event]:
        self.reason = "tool_calls"
        self.speaks = True
        part = PartWriter(self._indices, "tool_call", self._make_call_id(), name)
        self._body = part
        return self._commentary.release("preamble") + part.begin()

    def _leave_out(self, why: str) -> list[Event]:
        self._mend(why)
        self._body = _Nowhere()
        return []

    def _mend(self, what: str) -> None:
        self.warning = self.warning or what


class _Body(Protocol):
    def write(self, data: bytes, logprob: TokenLogprob | None) -> list[Event]: ...

    def end(self) -> list[Event]: ...


class _Nowhere:
    """The body of a message that is left out."""

    def write(self, data: bytes, logprob: TokenLogprob | None) -> list[Event]:  # noqa: ARG002
        return []

    def end(self) -> list[Event]:
        return []


class _Commentary:
    """Messages to the user that wait for what they turn out to be."""

    def __init__(self, indices: Iterator[int]) -> None:
        self._indices = indices
        self._messages: list[list[tuple[bytes, TokenLogprob | None]]] = []

    def begin(self) -> None:
        self._messages.append([])

    def write(self, data: bytes, logprob: TokenLogprob | None) -> list[Event]:
        self._messages[-1].append((data, logprob))
        return []

    def end(self) -> list[Event]:
        return []

    def release(self, kind: PartKind) -> list[Event]:
        """The waiting messages as parts of this kind."""
        events: list[Event] = []
        for message in self._messages:
            part = PartWriter(self._indices, kind)
            for data, logprob in message:
                events += part.write(data, logprob)
            events += part.end()
        self._messages = []
        return events
