"""What a schema's $ref names, and which schemas no text can ever complete. Knows `#/...` references
alone: nothing is fetched.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from server.formats.json_schema_faults import SchemaFault, child

DEFINITIONS = "#/$defs/"


class References:
    """Gives every schema that is referred to a name of its own, once."""

    def __init__(self, root: object, path: str) -> None:
        self._root = root
        self._path = path
        self._names: dict[str, str] = {}
        self._fresh: list[tuple[str, object, str]] = []

    def rename(self, reference: object, path: str) -> str:
        """The $ref to write for the one at `path`. Errors: SchemaFault."""
        schema, place = self.find(reference, path)
        if place not in self._names:
            self._names[place] = name = f"d{len(self._names)}"
            self._fresh.append((name, schema, place))
        return DEFINITIONS + self._names[place]

    def fresh(self) -> Iterator[tuple[str, object, str]]:
        """Names that were given since the last call: each with its schema and that one's path."""
        while self._fresh:
            yield self._fresh.pop()

    def find(self, reference: object, path: str) -> tuple[object, str]:
        """What the $ref at `path` names, and where that is. Errors: SchemaFault."""
        if not isinstance(reference, str) or reference[:2] not in ("#", "#/"):
            raise SchemaFault(path, "A $ref leads to the same schema, such as #/$defs/name.")
        here, place = self._root, self._path
        pointer = unquote(reference[1:])
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(here, Mapping) and key in here:
                here, place = here[key], child(place, key)
            elif isinstance(here, list | tuple) and key.isdecimal() and int(key) < len(here):
                here, place = here[int(key)], child(place, int(key))
            else:
                raise SchemaFault(path, f"There is nothing at {pointer} in this schema.")
        return here, place


def endless(definitions: Mapping[str, Any]) -> set[str]:
    """The definitions that no text completes, because they demand themselves again and again."""
    ending: set[str] = set()
    names = list(definitions)
    while True:
        before = len(ending)
        # To and fro, so that chains take two rounds whichever way round they are written.
        names.reverse()
        for name in names:
            if DEFINITIONS + name not in ending and _ends(definitions[name], ending):
                ending.add(DEFINITIONS + name)
        if len(ending) == before:
            return {name for name in names if DEFINITIONS + name not in ending}


def _ends(schema: Any, ending: set[str]) -> bool:
    """Whether a text completes a schema, if of those referred to only `ending` are completed."""
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema and schema["$ref"] not in ending:
        return False
    if not all(_ends(part, ending) for part in schema.get("allOf", ())):
        return False
    if not all(any(_ends(e, ending) for e in schema[k]) for k in ("anyOf", "oneOf") if k in schema):
        return False
    match schema.get("type"):
        case "object" | ["object"]:
            return all(_ends(each, ending) for each in _needed_properties(schema))
        case "array" | ["array"]:
            return all(_ends(each, ending) for each in _needed_items(schema))
    return True


def _needed_properties(schema: Mapping[str, Any]) -> Iterator[Any]:
    named, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
    free = True if "patternProperties" in schema else rest
    return (named.get(name, free) for name in schema.get("required", ()))


def _needed_items(schema: Mapping[str, Any]) -> list[Any]:
    count, first = schema.get("minItems", 0), schema.get("prefixItems", [])
    return [*first[:count], *([schema.get("items", True)] if count > len(first) else [])]
