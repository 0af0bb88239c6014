"""Bytes as they come over a network -> lines, and lines -> server-sent events, however the bytes
are cut. Knows nothing of what the events say.
"""

from collections.abc import Iterator
from dataclasses import dataclass

# A line that goes on for longer is no stream of events.
LONGEST_LINE = 16 << 20
_BOM = b"\xef\xbb\xbf"


class EndlessLine(ValueError):
    """A line is longer than any that is meant."""


class Lines:
    """Splits at LF, CRLF and CR."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._after_cr = False
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes end. Errors: EndlessLine."""
        if not data:
            return []
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
        self._after_cr = data.endswith(b"\r")
        self._rest += data
        *lines, rest = bytes(self._rest).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self._rest = bytearray(rest)
        if len(rest) > LONGEST_LINE:
            raise EndlessLine
        return self._without_mark(lines)

    def finish(self) -> list[bytes]:
        """The last line, where nothing ended it."""
        rest, self._rest = bytes(self._rest), bytearray()
        return self._without_mark([rest] if rest else [])

    def _without_mark(self, lines: list[bytes]) -> list[bytes]:
        """A byte order mark may stand before the first line, and says nothing."""
        if lines and not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(_BOM)
        return lines


@dataclass(frozen=True, slots=True)
class Frame:
    """A server-sent event. Without data it is a comment: a sign of life."""

    data: bytes
    event: bytes = b""


class Frames:
    """Server-sent events (WHATWG HTML, section 9.2.6), of which ids and retry times are dropped. An
    event that the end of the stream ends counts too, for some servers leave out its last line.
    """

    def __init__(self) -> None:
        self._lines = Lines()
        self._data: list[bytes] = []
        self._event = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        for line in self._lines.feed(data):
            yield from self._take(line)

    def finish(self) -> Iterator[Frame]:
        for line in (*self._lines.finish(), b""):
            yield from self._take(line)

    def _take(self, line: bytes) -> Iterator[Frame]:
        if not line:
            data, event = self._data, self._event
            self._data, self._event = [], b""
            if data:
                yield Frame(b"\n".join(data), event)
        elif line.startswith(b":"):
            yield Frame(b"")
        else:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                self._data.append(value)
            elif field == b"event":
                self._event = value
            elif field == b"error":
                # llama-server, some versions ago.
                self._data.append(value)
                self._event = b"error"
