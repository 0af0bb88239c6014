"""llama.cpp's grammar notation, GBNF, read into rules. Knows no tokens."""

import re
from collections.abc import Iterator

from server.worker.ports import GrammarError
from server.worker.productions import Character, Choice, Item, Repeat, Rule, check

MAX_CHARACTERS = 1 << 16
MAX_NESTING = 50
MAX_REPETITIONS = 2000
MAX_RULES = 1000

NAME = re.compile(r"[a-zA-Z0-9-]+")
BOUNDS = re.compile(r"\{[ \t]*([0-9]+)[ \t]*(?:(,)[ \t]*([0-9]*)[ \t]*)?\}")
BLANKS = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
ESCAPE_DIGITS = {"x": 2, "u": 4, "U": 8}
ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "\\": "\\", '"': '"', "[": "[", "]": "]", "-": "-"}
REPEATS: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
# What . and [^...] stand for: llama.cpp has no NUL in a text.
FIRST, LAST = 1, 0x10FFFF
SURROGATES = (0xD800, 0xDFFF)


def rules_of(text: str) -> dict[str, Choice]:
    """Every rule of a text by its name, `productions.check`ed. Errors: GrammarError."""
    rules = Reader(text).rules()
    check(rules)
    return rules


class Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARACTERS:
            raise GrammarError(f"The grammar is longer than {MAX_CHARACTERS} characters.")
        self._text = text
        self._at = 0
        self._depth = 0

    def rules(self) -> dict[str, Choice]:
        """Every rule by its name. Errors: GrammarError."""
        rules: dict[str, Choice] = {}
        self._skip(BLANK_LINES)
        while self._at < len(self._text):
            name = self._take(NAME, "a rule's name")
            self._skip(BLANKS)
            if not self._text.startswith("::=", self._at):
                raise self._wrong("::=")
            if name in rules:
                raise GrammarError(f"The grammar defines {name} twice.")
            self._at += 3
            self._skip(BLANK_LINES)
            rules[name] = self._choice()
            if len(rules) > MAX_RULES:
                raise GrammarError(f"The grammar has more than {MAX_RULES} rules.")
            if self._at < len(self._text) and self._text[self._at] not in "\r\n":
                raise self._wrong("the end of the line")
            self._skip(BLANK_LINES)
        return rules

    def _choice(self) -> Choice:
        sequences = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            self._skip(BLANK_LINES)
            sequences.append(self._sequence())
        return Choice(tuple(sequences))

    def _sequence(self) -> tuple[Item, ...]:
        items: list[Item] = []
        while item := self._item():
            self._blanks()
            for _ in range(MAX_NESTING):
                bounds = self._bounds()
                if bounds is None:
                    break
                item = Repeat(item, *bounds)
                self._blanks()
            items.append(item)
        return tuple(items)

    def _item(self) -> Item | None:
        match self._next():
            case '"':
                return self._literal()
            case "[":
                return self._set()
            case "(":
                return self._group()
            case ".":
                self._at += 1
                return Character(_joined([(FIRST, LAST)]))
            case "<" | "!":
                raise GrammarError(
                    f"The grammar names a token at {self._place()}; this server follows text only."
                )
        name = NAME.match(self._text, self._at)
        if name is None:
            return None
        self._at = name.end()
        return Rule(name[0])

    def _literal(self) -> Choice:
        self._at += 1
        points: list[Item] = []
        while self._next() != '"':
            point = self._character()
            points.append(self._one([(point, point)]))
        self._at += 1
        return Choice((tuple(points),))

    def _set(self) -> Character:
        self._at += 1
        negated = self._next() == "^"
        self._at += negated
        ranges: list[tuple[int, int]] = []
        while self._next() != "]":
            low = high = self._character()
            if self._next() == "-" and self._text[self._at + 1 : self._at + 2] != "]":
                self._at += 1
                high = self._character()
            ranges.append((low, high))
        self._at += 1
        # llama.cpp takes [] and [^] for the empty text; who writes them means something else.
        return self._one(_others(ranges) if negated and ranges else ranges)

    def _one(self, ranges: list[tuple[int, int]]) -> Character:
        joined = _joined(ranges)
        if not joined:
            raise GrammarError(f"The grammar has a set without characters before {self._place()}.")
        return Character(joined)

    def _group(self) -> Choice:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise GrammarError(f"The grammar nests more than {MAX_NESTING} groups; use rules.")
        self._at += 1
        self._skip(BLANK_LINES)
        choice = self._choice()
        if self._next() != ")":
            raise self._wrong(")")
        self._at += 1
        self._depth -= 1
        return choice

    def _bounds(self) -> tuple[int, int | None] | None:
        sign = self._next()
        if sign in REPEATS:
            self._at += 1
            return REPEATS[sign]
        if sign != "{":
            return None
        found = BOUNDS.match(self._text, self._at)
        if found is None:
            raise self._wrong("a count like {2} or {2,5}")
        least, comma, most = found.groups()
        self._at = found.end()
        low = _count(least)
        high = None if comma and not most else _count(most or least)
        if high is not None and high < low:
            raise GrammarError(f"The grammar asks for at least {low} and at most {high} of a kind.")
        return low, high

    def _character(self) -> int:
        char = self._next()
        if not char:
            raise GrammarError("The grammar ends inside a literal or a set.")
        self._at += 1
        if char != "\\":
            return ord(char)
        kind = self._next()
        self._at += 1
        if kind in ESCAPES:
            return ord(ESCAPES[kind])
        digits = self._text[self._at : self._at + ESCAPE_DIGITS.get(kind, 0)]
        if kind not in ESCAPE_DIGITS or not re.fullmatch(r"[0-9a-fA-F]{2,8}", digits):
            raise GrammarError(f"The grammar has an unknown escape, \\{kind}, at {self._place()}.")
        if len(digits) < ESCAPE_DIGITS[kind]:
            raise self._wrong(f"{ESCAPE_DIGITS[kind]} digits")
        self._at += len(digits)
        return int(digits, 16)

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str], what: str) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise self._wrong(what)
        self._at = found.end()
        return found[0]

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()

    def _blanks(self) -> None:
        # Inside a group a line may end anywhere.
        self._skip(BLANK_LINES if self._depth else BLANKS)

    def _place(self) -> str:
        line = self._text.count("\n", 0, self._at) + 1
        return f"line {line}, column {self._at - self._text.rfind(chr(10), 0, self._at)}"

    def _wrong(self, expected: str) -> GrammarError:
        found = self._text[self._at : self._at + 12]
        return GrammarError(
            f"The grammar has {found!r} at {self._place()}, where {expected} should be."
        )


def _count(digits: str) -> int:
    if len(digits) > len(str(MAX_REPETITIONS)) or int(digits) > MAX_REPETITIONS:
        raise GrammarError(f"The grammar repeats something more than {MAX_REPETITIONS} times.")
    return int(digits)


def _joined(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The same characters as ascending ranges that do not touch. Halves of surrogate pairs are
    dropped: no text holds them.
    """
    joined: list[tuple[int, int]] = []
    for low, high in sorted(_without_surrogates(ranges)):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        else:
            joined.append((low, high))
    return tuple(joined)


def _without_surrogates(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    first, last = SURROGATES
    for low, high in ranges:
        for part in ((low, min(high, first - 1)), (max(low, last + 1), min(high, LAST))):
            if part[0] <= part[1]:
                yield part


def _others(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Every character that is in none of the ranges."""
    others, start = [], FIRST
    for low, high in _joined(ranges):
        others.append((start, low - 1))
        start = high + 1
    return [*others, (start, LAST)]
