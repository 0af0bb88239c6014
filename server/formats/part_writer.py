"""One part of an answer, from bytes to events.

Knows nothing of any model's markup, only that a part begins, grows by whole characters, and ends.
"""

from collections.abc import Iterator

from server.core.events import Event, PartDelta, PartEnded, PartKind, PartStarted, TokenLogprob
from server.formats.text import Utf8Decoder


class PartWriter:
    """Begins the part with its first text, or with `begin` where an empty part means something.

    Log probabilities belong to visible text: other kinds drop them.
    """

    def __init__(
        self, indices: Iterator[int], kind: PartKind, call_id: str = "", name: str = ""
    ) -> None:
        self._indices = indices
        self._kind: PartKind = kind
        self._call_id = call_id
        self._name = name
        self._begun = False
        self._decoder = Utf8Decoder()
        self._visible = kind in ("text", "preamble")
        self._waiting: list[TokenLogprob] = []

    def begin(self) -> list[Event]:
        if self._begun:
            return []
        self._begun = True
        head = PartStarted(
            index=next(self._indices), kind=self._kind, call_id=self._call_id, name=self._name
        )
        return [head]

    def write(self, data: bytes, logprob: TokenLogprob | None = None) -> list[Event]:
        """The characters that these bytes complete."""
        if logprob is not None and self._visible:
            self._waiting.append(logprob)
        return self._delta(self._decoder.feed(data))

    def end(self) -> list[Event]:
        """Closes the part; an unfinished character becomes U+FFFD."""
        events = self._delta(self._decoder.finish())
        if self._begun:
            events.append(PartEnded())
        return events

    def _delta(self, text: str) -> list[Event]:
        if not text:
            return []
        delta = PartDelta(text=text, logprobs=tuple(self._waiting))
        if self._waiting:
            self._waiting = []
        return [delta] if self._begun else [*self.begin(), delta]
