"""The rules of a grammar in memory, and what they lead to. Knows no notation and no tokens."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from server.worker.ports import GrammarError

ROOT = "root"


@dataclass(frozen=True, slots=True)
class Character:
    """One character of a set: ascending ranges of code points, both ends included."""

    ranges: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Whatever the rule of this name matches."""

    name: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several sequences; an empty one is the empty text."""

    sequences: tuple[tuple["Item", ...], ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """An item so many times; `most` None: without limit."""

    item: "Item"
    least: int
    most: int | None


Item: TypeAlias = Character | Rule | Choice | Repeat


def check(rules: dict[str, Choice]) -> None:
    """Errors: GrammarError unless `root` is there and all that it leads to is there and ends."""
    if ROOT not in rules:
        raise GrammarError("The grammar has no rule named root, where the answer begins.")
    for name, choice in rules.items():
        for needed in _names(choice):
            if needed not in rules:
                raise GrammarError(f"The grammar's rule {name} needs {needed}, which is not there.")
    endless = _reachable(rules) - _ending(rules)
    if endless:
        raise GrammarError(f"Nothing that the grammar's rule {min(endless)} matches ever ends.")


def _names(item: Item) -> Iterator[str]:
    """The rules that an item names."""
    match item:
        case Rule():
            yield item.name
        case Repeat():
            yield from _names(item.item)
        case Choice():
            for sequence in item.sequences:
                for part in sequence:
                    yield from _names(part)


def _reachable(rules: dict[str, Choice]) -> set[str]:
    found, todo = {ROOT}, [ROOT]
    while todo:
        for name in _names(rules[todo.pop()]):
            if name not in found:
                found.add(name)
                todo.append(name)
    return found


def _ending(rules: dict[str, Choice]) -> set[str]:
    """The rules that match at least one text."""
    ending: set[str] = set()
    names = list(rules)
    while True:
        before = len(ending)
        # To and fro: whichever way round the rules were written, two rounds do for most grammars.
        names.reverse()
        for name in names:
            if name not in ending and _ends(rules[name], ending):
                ending.add(name)
        if len(ending) == before:
            return ending


def _ends(item: Item, ending: set[str]) -> bool:
    """Whether an item matches a text, if of the rules only `ending` do."""
    match item:
        case Rule():
            return item.name in ending
        case Repeat():
            return item.least == 0 or _ends(item.item, ending)
        case Choice():
            return any(all(_ends(part, ending) for part in s) for s in item.sequences)
        case Character():
            return True
