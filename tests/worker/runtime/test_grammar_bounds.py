"""Numbers within bounds, of which the library behind has its own opinion where one is excluded."""

from decimal import Decimal
from itertools import combinations, product
from typing import Any

import pytest

from server.formats.json_schema import checked
from server.worker.messages import Grammar
from server.worker.runtime.grammar import Grammars

BOUNDS = [-10, -2, -1.5, -1, -0.5, -0.002, 0, 0.002, 0.5, 1, 1.5, 2, 10, 10.5]
TEXTS = [
    "-11",
    "-10",
    "-10.0",
    "-9.5",
    "-2",
    "-1.75",
    "-1.5",
    "-1",
    "-1.0",
    "-0.75",
    "-0.5",
    "-0.001",
    "-0.0",
    "-0",
    "0",
    "0.0",
    "0.001",
    "0.002",
    "0.3",
    "0.5",
    "0.7",
    "1",
    "1.0",
    "1.00",
    "1.2",
    "1.5",
    "1.75",
    "2",
    "2.0",
    "3",
    "10",
    "10.0",
    "10.2",
    "10.5",
    "11",
]


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    return Grammars([bytes([byte]) for byte in range(256)], [])


def fits(grammars: Grammars, schema: dict[str, Any], text: str) -> bool:
    matcher = grammars.compile(Grammar(kind="json_schema", text=checked(schema, "schema"), end=0))
    for byte in text.encode():
        if not matcher.allows(byte):
            return False
        matcher.accept(byte)
    return matcher.may_end


def lies_within(value: Decimal, low: Decimal, high: Decimal, lower: str, upper: str) -> bool:
    above = value > low or (value == low and lower == "minimum")
    return above and (value < high or (value == high and upper == "maximum"))


@pytest.mark.parametrize("kind", ["number", "integer"])
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("lower", ["minimum", "exclusiveMinimum"])
@pytest.mark.parametrize("upper", ["maximum", "exclusiveMaximum"])
def test_bounds_are_held(
    grammars: Grammars, kind: str, apart: bool, lower: str, upper: str
) -> None:
    for low, high in combinations(BOUNDS, 2):
        parts = [{"type": kind, lower: low}, {upper: high}]
        schema = {"allOf": parts} if apart else {**parts[0], **parts[1]}
        within = [
            text
            for text in TEXTS
            if lies_within(Decimal(text), Decimal(repr(low)), Decimal(repr(high)), lower, upper)
            and (kind == "number" or "." not in text)
        ]
        if not within:
            continue
        found = [text for text in TEXTS if fits(grammars, schema, text)]
        assert set(found) <= set(within), schema
        # Some spellings are not written, but every number is in one.
        assert {Decimal(text) for text in within} - {Decimal(text) for text in found} <= {0}, schema


def test_one_sided_bounds_are_held(grammars: Grammars) -> None:
    for bound, key in product(BOUNDS, ["exclusiveMinimum", "exclusiveMaximum"]):
        schema = {"type": "number", key: bound}
        for text in TEXTS:
            is_within = (
                Decimal(text) > bound if key == "exclusiveMinimum" else Decimal(text) < bound
            )
            if fits(grammars, schema, text):
                assert is_within, (schema, text)
