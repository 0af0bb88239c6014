"""JSON schemas of fields in a few words for people. Knows no particular field."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true, false",
    "object": "object",
    "null": "",
}
# Objects in objects in objects are described where they are looked for: in the API's own pages.
DEEPEST = 3
# A limit that says nothing to people.
HUGE = 2**31 - 1


def type_text(schema: Schema, definitions: Schema) -> str:
    """What values there are: `whole number, 0 to 20`; `text or list of texts`."""
    schema = _resolved(schema, definitions)
    if "anyOf" in schema:
        words = [type_text(each, definitions) for each in schema["anyOf"]]
        return " or ".join(dict.fromkeys(word for word in words if word))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of: {type_text(schema.get('items', {}), definitions) or 'anything'}"
    return _WORDS.get(schema.get("type", ""), "anything") + range_text(schema)


def subfields(path: str, schema: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    """The fields of the objects that a value holds, by their paths: `messages[].role`."""
    yield from _below(path, schema, definitions, ())


def range_text(schema: Schema) -> str:
    """A number's limits: `, 0 to 20`; nothing where there are none."""
    low, high = schema.get("minimum"), schema.get("maximum")
    if high is not None and high >= HUGE:
        high = None
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if below is not None and below > HUGE:
        # A seed of any size.
        return ""
    words = {"at least": low, "above": above, "at most": high, "below": below}
    limits = [f"{word} {limit}" for word, limit in words.items() if limit is not None]
    return f", {' and '.join(limits)}" if limits else ""


def _below(
    path: str, schema: Schema, definitions: Schema, seen: tuple[str, ...]
) -> Iterator[tuple[str, Schema]]:
    name = str(schema.get("$ref", ""))
    if len(seen) >= DEEPEST or name in seen:
        return
    found = _resolved(schema, definitions)
    for each in found.get("anyOf", ()):
        yield from _below(path, each, definitions, seen)
    if found.get("type") == "array":
        yield from _below(f"{path}[]", found.get("items", {}), definitions, seen)
    for inner, value in found.get("properties", {}).items():
        yield f"{path}.{inner}", value
        yield from _below(f"{path}.{inner}", value, definitions, (*seen, name))


def _resolved(schema: Schema, definitions: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Schema = definitions[str(reference).rpartition("/")[2]]
    return found
