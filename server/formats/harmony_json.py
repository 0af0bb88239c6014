"""JSON on one line as Rust's serde_json prints it, which is what the model has seen in its prompts.

Differs from `json.dumps` in numbers only: 1e20 and not 1e+20, 1.5e16 and not 1.5e+16.
"""

import json
from decimal import Decimal
from math import isfinite
from typing import Any

U64_MAX = 2**64 - 1
I64_MIN = -(2**63)


def json_text(value: Any) -> str:
    """Compact JSON text. NaN and infinities become null."""
    match value:
        case bool() | None | str():
            return json.dumps(value, ensure_ascii=False)
        case int() if I64_MIN <= value <= U64_MAX:
            return str(value)
        case int() | float():
            return _float_text(value)
        case dict():
            pairs = (f"{json_text(str(key))}:{json_text(item)}" for key, item in value.items())
            return "{" + ",".join(pairs) + "}"
        case list() | tuple():
            return "[" + ",".join(map(json_text, value)) + "]"
        case _:
            return "null"


def _float_text(value: int | float) -> str:
    """A float as Rust's ryu prints it: plain between 1e-5 and 1e16, else with a bare exponent."""
    try:
        number = float(value)
    except OverflowError:
        return "null"
    if not isfinite(number):
        return "null"
    if number == 0:
        return str(number)
    sign, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits))
    return "-" * sign + _placed(text, len(text) + exponent)


def _placed(digits: str, point: int) -> str:
    """Digits with the decimal point after `point` of them (negative: that many zeros before)."""
    if -5 < point <= 0:
        return "0." + "0" * -point + digits
    if 0 < point <= 16:
        whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
        return f"{whole}.{fraction or '0'}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1}"
