"""Where a JSON object ends, in text that comes in pieces. Does not check what is in it."""


class JsonSpan:
    """Fed from the opening brace on."""

    def __init__(self) -> None:
        self.closed = False
        self._depth = 0
        self._quoted = False
        self._escaped = False

    def feed(self, text: str) -> int:
        """How many of these characters belong to the object."""
        for index, character in enumerate(text):
            if self._quoted:
                self._in_string(character)
            elif character == '"':
                self._quoted = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth <= 0:
                    self.closed = True
                    return index + 1
        return len(text)

    def _in_string(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._quoted = False
