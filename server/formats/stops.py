"""Stop strings: ends the visible text of an answer where the first of them begins.

Holds back only what may still become a stop string. Knows no tokens: cutting the generation short
is for whoever asks for `hit`.
"""

from collections import deque
from collections.abc import Iterable, Sequence

from server.core.events import Event, PartDelta, PartEnded, PartStarted, TokenLogprob


class StopFilter:
    """Passes events on until a stop string has appeared in a text or preamble part.

    The match that begins first counts, however the text arrives; a match does not span two parts.
    From there on everything is dropped, the open part is closed and `hit` is that string.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self.hit: str | None = None
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._search: _Search | None = None

    def feed(self, events: Iterable[Event]) -> list[Event]:
        if not self._stops:
            return list(events)
        passed: list[Event] = []
        for event in events:
            if self.hit is not None:
                break
            passed += self._pass(event)
        return passed

    def finish(self) -> list[Event]:
        """What is still held back, for streams that end inside a part."""
        return self._flush() if self.hit is None else []

    def _pass(self, event: Event) -> list[Event]:
        search = self._search
        if isinstance(event, PartDelta) and search is not None:
            search.write(event)
            return self._released(search)
        if isinstance(event, PartStarted) and event.kind in ("text", "preamble"):
            self._search = _Search(self._stops)
        elif isinstance(event, PartEnded):
            return self._close(event)
        return [event]

    def _close(self, event: PartEnded) -> list[Event]:
        held = self._flush()
        return held if self.hit is not None else [*held, event]

    def _flush(self) -> list[Event]:
        search, self._search = self._search, None
        if search is None:
            return []
        search.finish()
        return self._released(search)

    def _released(self, search: "_Search") -> list[Event]:
        passed: list[Event] = list(search.release())
        if search.hit is not None:
            self.hit = search.hit
            passed.append(PartEnded())
        return passed


class _Search:
    """The search in one part. Every character is looked at once for each stop string (KMP)."""

    def __init__(self, stops: tuple[str, ...]) -> None:
        self.hit: str | None = None
        self._patterns = [_Pattern(stop) for stop in stops]
        # Positions in characters from the start of the part.
        self._seen = 0
        self._safe = 0
        self._match: tuple[int, str] | None = None
        # (where it starts, its text, its logprobs), the first perhaps sent in part.
        self._held: deque[tuple[int, str, tuple[TokenLogprob, ...]]] = deque()

    def write(self, delta: PartDelta) -> None:
        self._held.append((self._seen, delta.text, delta.logprobs))
        for character in delta.text:
            self._step(character)
            if self.hit is not None:
                return

    def finish(self) -> None:
        """No more text: an open match counts, what might have become one is free."""
        if self._match is not None:
            self._safe, self.hit = self._match
        elif self.hit is None:
            self._safe = self._seen

    def release(self) -> list[PartDelta]:
        """What cannot belong to a stop string any more. After a hit, what stands before it."""
        deltas: list[PartDelta] = []
        while self._held and self._held[0][0] < self._safe:
            start, text, logprobs = self._held.popleft()
            deltas.append(PartDelta(text=text[: self._safe - start], logprobs=logprobs))
            if start + len(text) > self._safe:
                self._held.appendleft((self._safe, text[self._safe - start :], ()))
        return deltas

    def _step(self, character: str) -> None:
        self._seen += 1
        begun = 0
        for pattern in self._patterns:
            if pattern.step(character):
                self._found(self._seen - len(pattern.text), pattern.text)
            begun = max(begun, pattern.matched)
        # The earliest place where a stop string may still begin.
        self._safe = self._seen - begun
        if self._match is not None and self._safe >= self._match[0]:
            self._safe, self.hit = self._match

    def _found(self, start: int, stop: str) -> None:
        if self._match is None or start < self._match[0]:
            self._match = (start, stop)


class _Pattern:
    """One stop string; `matched` is how much of its beginning the text ends with now."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.matched = 0
        self._fallback = _fallbacks(text)

    def step(self, character: str) -> bool:
        """Whether the string ends with this character."""
        matched = self.matched
        while matched and self.text[matched] != character:
            matched = self._fallback[matched - 1]
        if self.text[matched] == character:
            matched += 1
        whole = matched == len(self.text)
        self.matched = self._fallback[matched - 1] if whole else matched
        return whole


def _fallbacks(text: str) -> list[int]:
    """For each prefix of the text the length of its longest proper prefix that also ends it."""
    table = [0] * len(text)
    matched = 0
    for index in range(1, len(text)):
        while matched and text[index] != text[matched]:
            matched = table[matched - 1]
        matched += text[index] == text[matched]
        table[index] = matched
    return table
