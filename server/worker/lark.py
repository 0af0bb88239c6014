"""GBNF in the notation of llguidance, Lark: the same language, character by character, so that no
word is cut where the grammar does not cut it. Knows no tokens.
"""

from server.worker.gbnf import rules_of
from server.worker.ports import GrammarError
from server.worker.productions import ROOT, Character, Choice, Item, Repeat, Rule

# Characters of the one expression that a grammar without recursion becomes, and how deep its rules
# may lie in one another there.
MAX_EXPRESSION = 20_000
MAX_DEPTH = 50
# Characters and rules that a grammar may come to when everything in it that repeats is written out.
MAX_SIZE = 50_000
EMPTY = '""'


def lark_of(text: str) -> str:
    """A GBNF text as Lark. Errors: GrammarError."""
    rules = rules_of(text)
    size = sum(_size(choice) for choice in rules.values())
    if size > MAX_SIZE:
        raise GrammarError("The grammar repeats too much; use smaller counts.")
    try:
        # One expression is matched ten times as fast.
        return f"start: /{Expressions(rules).of(Rule(ROOT), 0)}/\n"
    except NotRegular:
        return Writer(rules).text()


def _size(item: Item) -> int:
    match item:
        case Choice():
            return 1 + sum(_size(part) for sequence in item.sequences for part in sequence)
        case Repeat():
            return _size(item.item) * max(item.least, item.most or 1)
        case _:
            return 1


class NotRegular(Exception):
    """The grammar is recursive, or too large for one expression."""


class Expressions:
    """Writes rules as regular expressions."""

    def __init__(self, rules: dict[str, Choice]) -> None:
        self._rules = rules
        self._known: dict[str, str] = {}

    def of(self, item: Item, depth: int) -> str:
        """The expression of an item. Errors: NotRegular."""
        if depth > MAX_DEPTH:
            raise NotRegular
        match item:
            case Character():
                text = _class(item)
            case Rule():
                text = self._of_rule(item.name, depth)
            case Choice():
                text = "(" + "|".join(self._of_all(s, depth) for s in item.sequences) + ")"
            case Repeat():
                text = f"({self.of(item.item, depth + 1)}){_bounds(item)}"
        if len(text) > MAX_EXPRESSION:
            raise NotRegular
        return text

    def _of_rule(self, name: str, depth: int) -> str:
        # A rule that leads to itself only ever gets deeper.
        if name not in self._known:
            self._known[name] = self.of(self._rules[name], depth + 1)
        return self._known[name]

    def _of_all(self, sequence: tuple[Item, ...], depth: int) -> str:
        return "".join(self.of(item, depth + 1) for item in sequence)


class Writer:
    """Writes rules as Lark's, and every set of characters as a terminal."""

    def __init__(self, rules: dict[str, Choice]) -> None:
        self._rules = rules
        # Lark spells names otherwise than GBNF.
        self._names = {name: f"r{index}" for index, name in enumerate(rules)}
        self._terminals: dict[str, str] = {}

    def text(self) -> str:
        lines = [f"start: {self._names[ROOT]}"]
        for name, choice in self._rules.items():
            lines.append(f"{self._names[name]}: {self._choice(choice)}")
        lines += [f"{name}: /{text}/" for text, name in self._terminals.items()]
        return "\n".join(lines) + "\n"

    def _choice(self, choice: Choice) -> str:
        return " | ".join(self._sequence(sequence) for sequence in choice.sequences)

    def _sequence(self, sequence: tuple[Item, ...]) -> str:
        return " ".join(map(self._item, sequence)) or EMPTY

    def _item(self, item: Item) -> str:
        match item:
            case Character():
                return self._terminals.setdefault(_class(item), f"T{len(self._terminals)}")
            case Rule():
                return self._names[item.name]
            case Choice():
                return f"({self._choice(item)})"
            case Repeat():
                return f"({self._item(item.item)}){_bounds(item)}"


def _bounds(repeat: Repeat) -> str:
    return f"{{{repeat.least},{'' if repeat.most is None else repeat.most}}}"


def _class(character: Character) -> str:
    return "[" + "".join(f"{_point(a)}-{_point(b)}" for a, b in character.ranges) + "]"


def _point(code: int) -> str:
    char = chr(code)
    return char if char.isascii() and char.isalnum() else f"\\x{{{code:X}}}"
