"""All pairs: few cases in which any two values of any two fields meet."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from random import Random
from typing import Any

CANDIDATES = 20


def all_pairs(fields: Mapping[str, Sequence[Any]], random: Random) -> list[dict[str, int]]:
    """Cases as indices into the fields' values. Greedy: of a few random cases around a pair that is
    missing the one that covers most.
    """
    missing = {
        ((one, i), (other, j))
        for one, other in combinations(fields, 2)
        for i, j in product(range(len(fields[one])), range(len(fields[other])))
    }
    cases = []
    while missing:
        seed = random.choice(sorted(missing))
        drawn = [_around(dict(seed), fields, random) for _ in range(CANDIDATES)]
        best = max(drawn, key=lambda case: len(missing & pairs_of(case, fields)))
        missing -= pairs_of(best, fields)
        cases.append(best)
    return cases


def pairs_of(case: Mapping[str, int], fields: Mapping[str, Sequence[Any]]) -> set[Any]:
    return {((one, case[one]), (other, case[other])) for one, other in combinations(fields, 2)}


def _around(
    given: dict[str, int], fields: Mapping[str, Sequence[Any]], random: Random
) -> dict[str, int]:
    rest = {name: random.randrange(len(values)) for name, values in fields.items()}
    return {name: given.get(name, value) for name, value in rest.items()}
