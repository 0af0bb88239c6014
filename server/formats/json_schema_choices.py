"""Whether two schemas can have a value in common: where none do, `oneOf` says what `anyOf` says.
Reads schemas in the form that `json_schema` writes, and errs on the side of "they can".
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any] | bool
Resolve: TypeAlias = Callable[[str], Schema]

TYPES = frozenset({"null", "boolean", "number", "string", "array", "object"})
# Schemas that lead to one another are followed so far, and looked at so often in all.
MAX_DEPTH = 6
MAX_LOOKS = 200_000


class Comparison:
    """Compares schemas; `resolve` finds what a $ref names."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._looks = 0

    def are_disjoint(self, a: Schema, b: Schema, depth: int = 0) -> bool:
        """Whether it is plain that no value fits both."""
        if a is False or b is False:
            return True
        if a is True or b is True or depth > MAX_DEPTH or self._looks > MAX_LOOKS:
            return False
        # Each part of a schema must hold: one that excludes the other schema is enough.
        return any(
            self._exclude(part, other, depth) for part in self._parts(a) for other in self._parts(b)
        )

    def _parts(self, schema: Schema, depth: int = 0) -> Iterator[Mapping[str, Any]]:
        self._looks += 1
        if isinstance(schema, bool) or depth > MAX_DEPTH or self._looks > MAX_LOOKS:
            return
        yield schema
        if "$ref" in schema:
            yield from self._parts(self._resolve(schema["$ref"]), depth + 1)
        for part in schema.get("allOf", ()):
            yield from self._parts(part, depth + 1)

    def _exclude(self, a: Mapping[str, Any], b: Mapping[str, Any], depth: int) -> bool:
        for one, other in ((a, b), (b, a)):
            for key in ("anyOf", "oneOf"):
                if key in one and all(
                    self.are_disjoint(each, other, depth + 1) for each in one[key]
                ):
                    return True
            values = _values(one)
            if values is not None and not any(_admits(other, value) for value in values):
                return True
        types = _types(a) & _types(b)
        return (
            not types
            or (types <= {"object"} and self._differ_in_a_property(a, b, depth))
            or (types <= {"number"} and _ranges_part(a, b))
        )

    def _differ_in_a_property(self, a: Mapping[str, Any], b: Mapping[str, Any], depth: int) -> bool:
        needed = {*a.get("required", ()), *b.get("required", ())}
        return any(
            self.are_disjoint(_property(a, name), _property(b, name), depth + 1) for name in needed
        )


def _property(schema: Mapping[str, Any], name: str) -> Schema:
    if name in schema.get("properties", {}):
        found: Schema = schema["properties"][name]
        return found
    if "patternProperties" in schema:
        return True
    rest: Schema = schema.get("additionalProperties", True)
    return rest


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    kinds = schema.get("type")
    if kinds is None:
        return TYPES
    named = [kinds] if isinstance(kinds, str) else kinds
    return frozenset("number" if name == "integer" else name for name in named)


def _values(schema: Mapping[str, Any]) -> list[Any] | None:
    """The values that a schema lists, if it does."""
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _admits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value may fit what a schema says of types and values."""
    listed = _values(schema)
    if listed is not None and _key(value) not in {_key(each) for each in listed}:
        return False
    return _type_of(value) in _types(schema)


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case list() | tuple():
            return "array"
        case _:
            return "object"


def _key(value: Any) -> str:
    """Equal for values that JSON Schema calls equal: 1 and 1.0, objects in any order."""
    return json.dumps(_whole(value), sort_keys=True)


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case list() | tuple():
            return [_whole(item) for item in value]
        case Mapping():
            return {name: _whole(item) for name, item in value.items()}
        case _:
            return value


def _ranges_part(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    return _lies_below(a, b) or _lies_below(b, a)


def _lies_below(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether every number of `a` is smaller than every one of `b`."""
    highest = [(a[key], key != "maximum") for key in ("maximum", "exclusiveMaximum") if key in a]
    lowest = [(b[key], key != "minimum") for key in ("minimum", "exclusiveMinimum") if key in b]
    return any(
        high < low or (high == low and (open_high or open_low))
        for high, open_high in highest
        for low, open_low in lowest
    )
