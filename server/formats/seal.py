"""Keeps what clients wrote apart from markup while a template mixes the two: a character that no
text has is put where a client's text could spell a control token, alone or together with what the
template writes beside it.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

# Noncharacters of Unicode, which exist for this. The second one tells where the first turn begins.
MARK, FIRST = "\ufdd0", "\ufdd1"
_OURS = re.compile(f"[{MARK}{FIRST}]")
# A template that asks for ASCII gets them so.
_WRITTEN = re.compile(rf"{MARK}|{FIRST}|\\ufdd[01]")
# The words of schemas, which templates look up and compare. No token is made of them.
# fmt: off
PLAIN_WORDS = frozenset(
    {
        "string", "number", "integer", "boolean", "array", "object", "null", "type",
        "properties", "required", "items", "enum", "const", "description", "title", "default",
        "examples", "format", "anyOf", "oneOf", "allOf", "not", "$ref", "$defs", "definitions",
        "additionalProperties", "nullable", "minimum", "maximum", "pattern", "minLength",
        "maxLength", "minItems", "maxItems",
    }
)
# fmt: on

# Text, or the id of a token that the template spelled.
Piece: TypeAlias = str | int


class Seal:
    """`names` are what tokens are spelled like that only the template may write, and their ids.

    Sealed text differs from its text by marks alone: a template that trims, splits or measures it
    does all but the same.
    """

    def __init__(self, names: Mapping[str, int]) -> None:
        self._names = {name: token for name, token in names.items() if len(name) > 1}
        self._lengths = sorted({len(name) for name in self._names}, reverse=True)
        self._starts = _starts(self._names)
        self._ends = frozenset(name[0] for name in self._names)
        self._rests = frozenset(name[i:] for name in self._names for i in range(1, len(name)))
        self._all = "\n".join(self._names)

    def text(self, text: str) -> str:
        """A client's text, sealed. Our own noncharacters become U+FFFD."""
        text = _OURS.sub("\ufffd", text)
        if not text or not self._names or text in PLAIN_WORDS:
            return text
        text = self._starts.sub(lambda found: found[0] + MARK, text)
        body = text.strip()
        if not body:
            return text
        begin = text.index(body)
        end = begin + len(body)
        before = MARK if self._may_continue(body) else ""
        after = MARK if body[-1] in self._ends else ""
        return f"{text[:begin]}{before}{body}{after}{text[end:]}"

    def first(self, text: str) -> str:
        """The same, of the text with which the turns begin."""
        sealed = self.text(text)
        bare = sealed.lstrip()
        return f"{sealed[: len(sealed) - len(bare)]}{FIRST}{bare}"

    def value(self, value: Any) -> Any:
        """JSON with every text in it sealed."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value

    def pieces(self, rendered: str) -> Iterator[Piece]:
        """What a template made of sealed text: tokens that it spelled itself, and the text between
        them, still sealed.
        """
        start = 0
        for found in self._starts.finditer(rendered):
            at = found.start()
            if at < start:
                continue
            name = self._name_at(rendered, at)
            if name is not None:
                if at > start:
                    yield rendered[start:at]
                yield self._names[name]
                start = at + len(name)
        if start < len(rendered):
            yield rendered[start:]

    def _name_at(self, text: str, at: int) -> str | None:
        """The longest name that stands here."""
        spans = (text[at : at + length] for length in self._lengths)
        return next((span for span in spans if span in self._names), None)

    def _may_continue(self, body: str) -> bool:
        """Whether this could be the rest of a name, or the middle of one."""
        longest = self._lengths[0]
        beginnings = (body[:length] for length in range(1, longest))
        return (len(body) < longest and body in self._all) or not self._rests.isdisjoint(beginnings)


def opened(text: str) -> str:
    """Sealed text without its marks."""
    return _WRITTEN.sub("", text)


def _starts(names: Collection[str]) -> "re.Pattern[str]":
    """The first character of a name, where the second one follows."""
    seconds: dict[str, set[str]] = {}
    for name in names:
        seconds.setdefault(name[0], set()).add(name[1])
    pairs = [
        f"{re.escape(first)}(?=[{''.join(map(re.escape, sorted(others)))}])"
        for first, others in sorted(seconds.items())
    ]
    # A template may change the case of what it writes.
    return re.compile("|".join(pairs) or "(?!)", re.IGNORECASE)
