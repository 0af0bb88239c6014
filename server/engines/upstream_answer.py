"""Another server's pieces of an answer -> events in order: what it left out is put in, and what it
said otherwise is said as here. Knows no wire.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.core.events import (
    Event,
    Finished,
    FinishReason,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    TokenLogprob,
    Usage,
)

NO_USAGE = "The server behind this model does not say how many tokens it used: they count as 0."
WITHHELD = "The server behind this model withheld its answer, or a part of it (content_filter)."
_REASONS: dict[str, FinishReason] = {"length": "length", "max_tokens": "length"}
FILTERED = "content_filter"


class Disorder(ValueError):
    """What came is no answer, whatever was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPiece:
    """A piece of a tool call; which one it belongs to `index` says, or else the id."""

    index: int | None = None
    call_id: str = ""
    name: str = ""
    arguments: str = ""


class _Call:
    """The call that is being written; it begins where its name is known."""

    def __init__(self, index: int | None, call_id: str) -> None:
        self.index = index
        self.told_id = call_id
        self.call_id = call_id or f"call_{secrets.token_hex(12)}"
        self.begun = False
        self.held = ""
        self.has_arguments = False

    def continues(self, piece: CallPiece) -> bool:
        if piece.call_id and self.told_id and piece.call_id != self.told_id:
            return False
        if piece.name and self.begun and not (piece.call_id or self.told_id):
            return False
        if piece.index is None or self.index is None:
            return not piece.name or bool(piece.call_id)
        return piece.index == self.index


class AnswerWriter:
    """The events of one answer. Every piece may come in any number; `finish` comes last."""

    def __init__(self) -> None:
        self._started = False
        self._open: PartKind | None = None
        self._parts = 0
        self._call: _Call | None = None
        self._closed_calls: set[int] = set()
        self._called = False

    def begin(self) -> Iterator[Event]:
        """It was admitted."""
        if not self._started:
            self._started = True
            # Nobody knows yet how long the prompt was.
            yield Started(prompt_tokens=0)

    def reason(self, text: str) -> Iterator[Event]:
        yield from self._write("reasoning", text)

    def say(self, text: str, logprobs: Sequence[TokenLogprob] = ()) -> Iterator[Event]:
        yield from self._write("text", text, tuple(logprobs))

    def call(self, piece: CallPiece) -> Iterator[Event]:
        """Errors: Disorder where calls that follow each other are mixed."""
        yield from self.begin()
        call = self._call
        if call is None or not call.continues(piece):
            yield from self._end_part()
            if piece.index is not None and piece.index in self._closed_calls and not piece.name:
                raise Disorder("mixes up its tool calls")
            call = self._call = _Call(piece.index, piece.call_id)
        yield from self._write_call(call, piece)

    def finish(
        self,
        reason: str | None,
        usage: Usage | None,
        *,
        stop_string: str | None = None,
        warning: str = "",
    ) -> Iterator[Event]:
        """Errors: Disorder for a call without a name."""
        yield from self.begin()
        yield from self._end_part()
        warnings = [warning] if warning else []
        if reason == FILTERED:
            warnings.append(WITHHELD)
        if usage is None:
            warnings.append(NO_USAGE)
        yield Finished(
            reason=_REASONS.get(reason or "", "tool_calls" if self._called else "stop"),
            usage=usage or Usage(),
            warning=" ".join(warnings) or None,
            stop_string=stop_string,
        )

    def _write(
        self, kind: PartKind, text: str, logprobs: tuple[TokenLogprob, ...] = ()
    ) -> Iterator[Event]:
        if not text:
            return
        yield from self.begin()
        if self._open != kind:
            yield from self._end_part()
            yield from self._begin_part(kind)
        yield PartDelta(text=text, logprobs=logprobs)

    def _write_call(self, call: _Call, piece: CallPiece) -> Iterator[Event]:
        call.held += piece.arguments
        if not call.begun:
            if not piece.name:
                return
            call.begun = self._called = True
            # Whatever was open before has been ended with the call before.
            yield from self._end_text()
            yield from self._begin_part("tool_call", call.call_id, piece.name)
        if call.held:
            call.has_arguments = True
            yield PartDelta(text=call.held)
            call.held = ""

    def _begin_part(self, kind: PartKind, call_id: str = "", name: str = "") -> Iterator[Event]:
        yield PartStarted(index=self._parts, kind=kind, call_id=call_id, name=name)
        self._parts += 1
        self._open = kind

    def _end_text(self) -> Iterator[Event]:
        if self._open is not None:
            self._open = None
            yield PartEnded()

    def _end_part(self) -> Iterator[Event]:
        call, self._call = self._call, None
        if call is not None:
            if not call.begun:
                raise Disorder("calls a tool without a name")
            if not call.has_arguments:
                yield PartDelta(text="{}")
            if call.index is not None:
                self._closed_calls.add(call.index)
        yield from self._end_text()
