"""How one of several sequences of ids is asked for: what they share is written, the rest is the
model's choice.
"""

from collections.abc import Sequence
from itertools import takewhile

from server.formats.base import Grammar, Ids, Rule


def opening(before: Ids, heads: Sequence[Ids], suffix: Ids, *, instead: bool = False) -> Rule:
    """After `suffix`: `before`, and then one of these heads, which all end with the same id."""
    shared = _shared(heads)
    if len(heads) == 1:
        return Rule(suffix=suffix, force=before + shared, instead=instead)
    rests = tuple(head[len(shared) : -1] for head in heads)
    choice = Grammar(kind="choice", choices=rests, end=heads[0][-1])
    return Rule(suffix=suffix, force=before + shared, grammar=choice, instead=instead)


def _shared(sequences: Sequence[Ids]) -> Ids:
    """What all of them begin with."""
    columns = zip(*sequences, strict=False)
    alike = takewhile(lambda column: len(set(column)) == 1, columns)
    return tuple(column[0] for column in alike)
