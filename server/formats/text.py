"""Bytes that arrive in pieces, as text: a character split over pieces waits until it is whole."""

import codecs

_utf8 = codecs.getincrementaldecoder("utf-8")


class Utf8Decoder:
    """Decodes UTF-8 incrementally. All text together equals one decoding with errors="replace"."""

    def __init__(self) -> None:
        self._decoder = _utf8("replace")

    def feed(self, data: bytes) -> str:
        """The characters that are complete now; U+FFFD for bytes that can never become one."""
        return self._decoder.decode(data)

    def finish(self) -> str:
        """U+FFFD for an unfinished character, else nothing. The decoder is as new then."""
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text
