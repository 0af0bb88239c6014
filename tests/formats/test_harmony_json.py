"""JSON on one line as serde_json prints it."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.formats.harmony_json import json_text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1e16, "1e16"),
        (1.5e16, "1.5e16"),
        (1e15, "1000000000000000.0"),
        (123.25, "123.25"),
        (-0.0, "-0.0"),
        (0.00001, "0.00001"),
        (0.000001, "1e-6"),
        (-2.5e-10, "-2.5e-10"),
        (2**64 - 1, "18446744073709551615"),
        (2**64, "1.8446744073709552e19"),
        (-(2**63), "-9223372036854775808"),
        (10**400, "null"),
        (math.nan, "null"),
        (math.inf, "null"),
        (True, "true"),
        ({"b": [1, None], "a": {"é": "\n"}}, '{"b":[1,null],"a":{"é":"\\n"}}'),
        ((1, 2), "[1,2]"),
        (object(), "null"),
    ],
)
def test_values(value: object, expected: str) -> None:
    assert json_text(value) == expected


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda values: st.lists(values) | st.dictionaries(st.text(), values),
        max_leaves=10,
    )
)
def test_any_value_is_read_back(value: object) -> None:
    assert json.loads(json_text(value)) == value
