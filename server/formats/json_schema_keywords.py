"""The keywords of JSON Schema: which are held, which only describe, which are refused, and how far
numbers and counts may go. Knows no schema as a whole.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any

from server.formats.json_schema_faults import SchemaFault, child

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
# What makes sense for one type alone: a schema that uses these and names no type means that one.
FAMILIES = {
    "object": (
        "properties",
        "patternProperties",
        "additionalProperties",
        "propertyNames",
        "required",
        "minProperties",
        "maxProperties",
    ),
    "array": ("items", "prefixItems", "additionalItems", "minItems", "maxItems"),
    "string": ("pattern", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
COMBINING = ("anyOf", "oneOf", "allOf", "$ref", "enum", "const")
OTHERS = ("type", "format", "nullable", "uniqueItems", "$defs", "definitions")
HELD = {*OTHERS, *COMBINING, *(key for keys in FAMILIES.values() for key in keys)}
# Taken and dropped: they say nothing of which values are right.
ANNOTATIONS = {
    *("title", "description", "default", "example", "examples", "$comment", "deprecated"),
    *("readOnly", "writeOnly", "$schema", "$id", "id", "$anchor", "discriminator", "xml"),
    *("externalDocs", "contentEncoding", "contentMediaType", "contentSchema"),
    *("markdownDescription", "enumDescriptions", "propertyOrdering"),
}
ANNOTATION_PREFIX = "x-"
# Keywords that mean something and are not held: what to write instead.
INSTEAD = {
    "not": "say what is allowed, with enum, pattern or anyOf",
    "if": "use anyOf with a branch for each case",
    "then": "use anyOf with a branch for each case",
    "else": "use anyOf with a branch for each case",
    "uniqueItems": "remove it and check the answer",
    "contains": "say what each item is, with items or prefixItems",
    "minContains": "say what each item is, with items or prefixItems",
    "maxContains": "say what each item is, with items or prefixItems",
    "dependencies": "use anyOf with a branch for each case",
    "dependentRequired": "use anyOf with a branch for each case",
    "dependentSchemas": "use anyOf with a branch for each case",
    "propertyNames": "use patternProperties, with additionalProperties false",
    "unevaluatedProperties": "use additionalProperties",
    "unevaluatedItems": "use items",
    "$dynamicRef": "use $ref",
    "$recursiveRef": "use $ref",
}

MAX_LENGTH = 100_000
MAX_COUNT = 1000
LIMITS = {
    "minLength": MAX_LENGTH,
    "maxLength": MAX_LENGTH,
    "minItems": MAX_COUNT,
    "maxItems": MAX_COUNT,
    "minProperties": MAX_COUNT,
    "maxProperties": MAX_COUNT,
}
# Beyond, whole numbers are no longer told apart: the matcher reads them as 64-bit floats.
MAX_NUMBER = 2**53
# And so with more digits: it reads decimals exactly only as long as they are short.
MAX_DIGITS = 15
MAX_VALUE_DEPTH = 20
# The matcher remembers every remainder.
MAX_FACTOR = 10_000


def check_keywords(schema: Mapping[str, Any], path: str) -> None:
    """Errors: SchemaFault for the first keyword that would not be held."""
    for key in schema:
        if not isinstance(key, str):
            raise SchemaFault(path, "The keywords of a schema are strings.")
        if key in INSTEAD and key not in HELD:
            raise unsupported(key, child(path, key))
        if key not in HELD and key not in ANNOTATIONS and not key.startswith(ANNOTATION_PREFIX):
            raise SchemaFault(child(path, key), f"There is no schema keyword {key!r}; remove it.")
    if schema.get("uniqueItems", False) is not False and schema.get("maxItems") not in (0, 1):
        raise unsupported("uniqueItems", child(path, "uniqueItems"))


def unsupported(key: str, path: str) -> SchemaFault:
    return SchemaFault(path, f"The schema keyword {key!r} is not supported; {INSTEAD[key]}.")


def types_of(schema: Mapping[str, Any], path: str) -> list[str] | None:
    """The types that a schema names or means; None: any. Errors: SchemaFault."""
    kinds = schema.get("type")
    if kinds is None:
        return _meant(schema)
    named = list(kinds) if isinstance(kinds, list | tuple) else [kinds]
    if not named or not all(kind in TYPES for kind in named):
        raise SchemaFault(child(path, "type"), f"A type is one of {', '.join(TYPES)}, or a list.")
    if schema.get("nullable") is True and "null" not in named:
        named.append("null")
    return list(dict.fromkeys(named))


def _meant(schema: Mapping[str, Any]) -> list[str] | None:
    if any(key in schema for key in COMBINING):
        return None
    kinds = [kind for kind, keys in FAMILIES.items() if any(key in schema for key in keys)]
    if len(kinds) != 1:
        return None
    return [*kinds, "null"] if schema.get("nullable") is True else kinds


def count(key: str, value: object, path: str) -> int:
    """A keyword's count. Errors: SchemaFault."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int_of(value):
        raise SchemaFault(path, f"{key} is a whole number.")
    if not 0 <= value <= LIMITS[key]:
        raise SchemaFault(path, f"{key} lies between 0 and {LIMITS[key]}.")
    return int(value)


def int_of(value: float) -> int | None:
    """A number without its fraction; None of what is not finite."""
    return int(value) if isfinite(value) else None


def number(value: object, path: str) -> int | float:
    """A number that is told apart from its neighbours. Errors: SchemaFault."""
    if isinstance(value, bool) or not isinstance(value, int | float) or int_of(value) is None:
        raise SchemaFault(path, "This is a number, and a finite one.")
    if abs(value) > MAX_NUMBER:
        raise SchemaFault(
            path, f"Numbers in a schema lie between -{MAX_NUMBER} and {MAX_NUMBER}; use a string."
        )
    if isinstance(value, float) and not _is_short(value):
        raise SchemaFault(path, f"Numbers in a schema have at most {MAX_DIGITS} digits.")
    return value


def _is_short(value: float) -> bool:
    _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    return len(digits) <= MAX_DIGITS and -int(exponent) <= MAX_DIGITS


def close_bounds(written: dict[str, Any]) -> None:
    """Whole exclusive bounds towards 0 as inclusive ones a trifle farther out: the matcher
    (llguidance 1.9) lets 0 pass where more than 0 and less than 1 is asked for.
    """
    if written.get("type") == "integer":
        return
    low, high = written.get("exclusiveMinimum", -1), written.get("exclusiveMaximum", 1)
    if low >= 0 and int(low) == low:
        del written["exclusiveMinimum"]
        written["minimum"] = max(_above(low), written.get("minimum", 0))
    if high <= 0 and int(high) == high:
        del written["exclusiveMaximum"]
        written["maximum"] = min(-_above(-high), written.get("maximum", 0))


def _above(bound: int | float) -> float:
    places = MAX_DIGITS - len(str(int(bound))) if bound else MAX_DIGITS
    return float(Decimal(int(bound)) + Decimal(10) ** -places)


def factor(value: object, path: str) -> int | float:
    """The number of a multipleOf. Errors: SchemaFault."""
    step = number(value, path)
    if step <= 0:
        raise SchemaFault(path, "multipleOf is greater than 0.")
    # As the matcher reads it: shifted until it is whole.
    shifted, places = float(step), 0
    while not shifted.is_integer() and places < MAX_DIGITS:
        shifted, places = shifted * 10, places + 1
    if shifted > MAX_FACTOR or shifted != int(Decimal(repr(step)).scaleb(places)):
        raise SchemaFault(
            path, f"This multipleOf cannot be held; use one such as 0.01 or 5, up to {MAX_FACTOR}."
        )
    return step


def whole_of(step: int | float) -> int:
    """The digits of a multipleOf without the point: 25 of 0.25."""
    return int("".join(map(str, Decimal(repr(step)).as_tuple().digits)))


def values(listed: object, path: str) -> list[Any]:
    """The values of an enum. Errors: SchemaFault."""
    if not isinstance(listed, list | tuple) or not listed:
        raise SchemaFault(path, "An enum is a list with at least one value.")
    return [plain_value(value, child(path, place)) for place, value in enumerate(listed)]


def plain_value(value: object, path: str, depth: int = 0) -> Any:
    """A JSON value as it can be written. Errors: SchemaFault."""
    if depth > MAX_VALUE_DEPTH:
        raise SchemaFault(path, "This value is nested too deep.")
    match value:
        case None | bool():
            return value
        case str():
            return plain_text(value, path)
        case int() | float():
            return number(value, path)
        case Mapping():
            return {
                plain_text(key, path): plain_value(each, child(path, key), depth + 1)
                for key, each in value.items()
            }
        case Sequence():
            return [plain_value(v, child(path, i), depth + 1) for i, v in enumerate(value)]
        case _:
            raise SchemaFault(path, "This is no JSON value.")


def size_of(value: Any) -> int:
    """The values in a JSON value, itself among them."""
    match value:
        case dict():
            return 1 + sum(map(size_of, value.values()))
        case list():
            return 1 + sum(map(size_of, value))
        case _:
            return 1


def plain_text(value: object, path: str) -> str:
    """A string that can be written as UTF-8. Errors: SchemaFault."""
    if not isinstance(value, str):
        raise SchemaFault(path, "This is a string.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SchemaFault(path, "This string holds half of a surrogate pair.") from None
    return value
