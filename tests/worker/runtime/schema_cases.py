"""Schemas together with values that fit them, for hypothesis; and what jsonschema says of a text.

A value's properties are in the schema's order, and its numbers are spelt without an exponent: that
is how answers are written.
"""

import datetime
import ipaddress
import json
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from server.formats.json_schema import checked

Values = st.SearchStrategy[Any]


class Case(NamedTuple):
    schema: Any
    values: Values


def is_plain(char: str) -> bool:
    """Whether a character needs no escape that answers do not use."""
    return char >= " " and char != "\x7f"


letters = st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from('\n\t"\\/')
names = st.text(st.sampled_from('abcxyz é"\\'), min_size=1, max_size=5)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(letters, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)


def _thousandths(low: int, high: int) -> Values:
    return st.integers(low, high).map(lambda number: number / 1000)


@st.composite
def _integers(draw: st.DrawFn) -> Case:
    step = draw(st.sampled_from([1, 1, 5, 12]))
    first = draw(st.integers(-(10**5), 10**5))
    last = first + draw(st.integers(0, 10**5))
    schema: dict[str, Any] = {"type": "integer"}
    if step > 1:
        schema["multipleOf"] = step
    if draw(st.booleans()):
        schema["minimum"] = first * step
    if draw(st.booleans()):
        schema["exclusiveMaximum"] = last * step + 1
    return Case(schema, st.integers(first, last).map(lambda number: number * step))


@st.composite
def _numbers(draw: st.DrawFn) -> Case:
    # In tenths: near bounds with more decimals, a number is written with as many.
    low = draw(st.integers(-10_000, 10_000))
    high = low + draw(st.integers(1, 10_000))
    keys = draw(
        st.sampled_from(
            [
                (),
                ("minimum",),
                ("maximum",),
                ("minimum", "maximum"),
                ("exclusiveMinimum", "exclusiveMaximum"),
            ]
        )
    )
    schema: dict[str, Any] = {"type": "number"}
    schema |= {key: (low if key.endswith("inimum") else high) / 10 for key in keys}
    return Case(schema, _thousandths(low * 100 + 1, high * 100 - 1))


@st.composite
def _texts(draw: st.DrawFn) -> Case:
    least = draw(st.integers(0, 4))
    most = least + draw(st.integers(0, 6))
    schema: dict[str, Any] = {"type": "string"}
    if draw(st.booleans()):
        schema["minLength"] = least
    if draw(st.booleans()):
        schema["maxLength"] = most
    return Case(schema, st.text(letters, min_size=least, max_size=most))


PATTERNS = [
    r"^[a-z]{2,5}$",
    r"^\d{3}-\d{4}$",
    r"^(red|green|blue)!?$",
    r"^[^\s@]+@[a-z]+$",
    r"[0a-f]",
    r"^x|[0-9]$",
    r"^(?=.*\d)[a-z0-9]{3,6}$",
    r"^[\[\]&]+$",
]


def _pattern(pattern: str) -> Case:
    texts = st.from_regex(pattern, alphabet=st.characters(codec="ascii", exclude_categories=["Cc"]))
    return Case(
        {"type": "string", "pattern": pattern},
        # Python's $ also matches before a last newline.
        texts.filter(lambda text: all(map(is_plain, text))),
    )


def _zoned(time: datetime.time) -> str:
    return time.isoformat() + "Z"


FORMATS: dict[str, Values] = {
    "date": st.dates().map(str),
    "time": st.times().map(_zoned),
    "date-time": st.datetimes(timezones=st.just(datetime.timezone.utc)).map(
        lambda moment: moment.isoformat()
    ),
    "uuid": st.uuids().map(str),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(lambda address: address.exploded),
    "email": st.sampled_from(["a@b.de", "anna.k+x@mail.example.com"]),
    "hostname": st.sampled_from(["localhost", "a-b.example.com"]),
    "uri": st.sampled_from(["https://example.com/a?b=c#d", "mailto:a@b.de", "urn:x:y"]),
    "duration": st.sampled_from(["P1D", "PT5M", "P1Y2M3DT4H5M6S", "P4W"]),
}


def _format(name: str) -> Case:
    return Case({"type": "string", "format": name}, FORMATS[name])


def _listed(values: list[Any]) -> Case:
    return Case({"enum": values}, st.sampled_from(values))


leaves: st.SearchStrategy[Case] = st.one_of(
    st.just(Case({"type": "null"}, st.none())),
    st.just(Case({"type": "boolean"}, st.booleans())),
    st.just(Case({}, anything)),
    _integers(),
    _numbers(),
    _texts(),
    st.sampled_from(PATTERNS).map(_pattern),
    st.sampled_from(list(FORMATS)).map(_format),
    st.lists(anything, min_size=1, max_size=4).map(_listed),
    anything.map(lambda value: Case({"const": value}, st.just(value))),
)


@st.composite
def _arrays(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    item = draw(inner)
    least = draw(st.integers(0, 2))
    most = least + draw(st.integers(0, 2))
    schema = {"type": "array", "items": item.schema, "minItems": least, "maxItems": most}
    return Case(schema, st.lists(item.values, min_size=least, max_size=most))


@st.composite
def _tuples(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    items = draw(st.lists(inner, min_size=1, max_size=3))
    count = len(items)
    schema = {"type": "array", "prefixItems": [item.schema for item in items], "minItems": count}
    if draw(st.booleans()):
        schema["items"] = False
    else:
        schema["maxItems"] = count
    return Case(schema, st.tuples(*(item.values for item in items)).map(list))


@st.composite
def _objects(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    fields = draw(st.dictionaries(names, inner, max_size=4))
    required = [name for name in fields if draw(st.booleans())]
    rest = draw(st.one_of(st.just(Case(False, st.nothing())), inner))
    schema = {
        "type": "object",
        "properties": {name: field.schema for name, field in fields.items()},
        "required": required,
        "additionalProperties": rest.schema,
    }

    @st.composite
    def values(draw: st.DrawFn) -> dict[str, Any]:
        value = {
            name: draw(field.values)
            for name, field in fields.items()
            if name in required or draw(st.booleans())
        }
        if rest.schema is not False:
            more = draw(st.dictionaries(names, rest.values, max_size=2))
            value |= {name: each for name, each in more.items() if name not in fields}
        return value

    return Case(schema, values())


@st.composite
def _maps(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    entry = draw(inner)
    most = draw(st.integers(1, 3))
    schema = {"type": "object", "additionalProperties": entry.schema, "maxProperties": most}
    return Case(schema, st.dictionaries(names, entry.values, max_size=most))


@st.composite
def _unions(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    options = draw(st.lists(inner, min_size=1, max_size=3))
    return Case(
        {"anyOf": [option.schema for option in options]},
        st.one_of([option.values for option in options]),
    )


@st.composite
def _tagged(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    """A union told apart by a constant, as pydantic writes it."""
    options = draw(st.lists(inner, min_size=1, max_size=3))
    branches, values = {}, []
    for index, option in enumerate(options):
        branches[f"B{index}"] = {
            "type": "object",
            "properties": {"kind": {"const": index}, "value": option.schema},
            "required": ["kind", "value"],
            "additionalProperties": False,
        }
        values.append(option.values.map(lambda value, i=index: {"kind": i, "value": value}))
    schema = {"oneOf": [{"$ref": f"#/$defs/{name}"} for name in branches], "$defs": branches}
    return Case(schema, st.one_of(values))


@st.composite
def _together(draw: st.DrawFn, inner: st.SearchStrategy[Case]) -> Case:
    """Two halves of an object that must both hold."""
    first, second = draw(inner), draw(inner)
    schema = {
        "type": "object",
        "properties": {"p": first.schema},
        "required": ["p"],
        "allOf": [{"properties": {"q": second.schema}, "required": ["q"]}],
    }
    both = st.tuples(first.values, second.values)
    return Case(schema, both.map(lambda pair: dict(zip("pq", pair, strict=True))))


def _compounds(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    kinds = (_arrays, _tuples, _objects, _maps, _unions, _together)
    return st.one_of([kind(inner) for kind in kinds])


nested = st.recursive(leaves, _compounds, max_leaves=6)
# References lead from the root: a tagged union stands there or nowhere.
cases = nested | _tagged(nested)


# --- what is right -------------------------------------------------------------------------------

FORMAT_CHECKS: dict[str, Callable[[str], object]] = {
    "date": datetime.date.fromisoformat,
    "date-time": lambda text: _moment(text),
    "time": lambda text: _moment(f"2000-01-01T{text}"),
    "uuid": uuid.UUID,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "email": lambda text: _must(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", text),
    "hostname": lambda text: _must(r"(?=.{1,253}$)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*", text),
    "uri": lambda text: urlsplit(text).scheme or _must("x", text),
    "duration": lambda text: _must(r"P(?=.)(\d+[YMWD])*(T(\d+[HMS])+)?", text),
}


def _must(pattern: str, text: str) -> None:
    if re.fullmatch(pattern, text) is None:
        raise ValueError(text)


def _moment(text: str) -> datetime.datetime:
    # Before 3.11 Python wants three or six decimals and no Z.
    found = re.fullmatch(r"(.{19})(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if found is None:
        raise ValueError(text)
    fraction = f"{found[2] or '.0':0<7}"
    zone = "+00:00" if found[3] == "Z" else found[3]
    return datetime.datetime.fromisoformat(found[1] + fraction + zone)


def formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, check in FORMAT_CHECKS.items():
        checker.checks(name, raises=ValueError)(
            lambda value, check=check: not isinstance(value, str) or check(value) is not False
        )
    return checker


def assert_fits(schema: Any, text: str) -> None:
    """The text is JSON that fits the schema, every decimal as it is written."""
    exact = json.loads(json.dumps(schema), parse_float=Decimal)
    value = json.loads(text, parse_float=_decimal)
    Draft202012Validator(exact, format_checker=formats()).validate(value)


def _decimal(text: str) -> Decimal | float:
    # Exponents beyond what decimals hold are infinite for everybody.
    return float(text) if re.search(r"[eE][+-]?\d{4}", text) else Decimal(text)


def text_of(schema: Any) -> str:
    """The schema as the gateway sends it to the worker."""
    return checked(schema, "schema")
