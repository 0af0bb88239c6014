"""Writes one schema after another in the few keywords that the matcher holds. Whether the whole can
be followed is not known here.
"""

from collections.abc import Mapping
from typing import Any

from server.formats.json_schema_faults import SchemaFault, child
from server.formats.json_schema_keywords import (
    ANNOTATION_PREFIX,
    ANNOTATIONS,
    COMBINING,
    check_keywords,
    close_bounds,
    count,
    factor,
    number,
    plain_text,
    plain_value,
    size_of,
    types_of,
    unsupported,
    values,
    whole_of,
)
from server.formats.json_schema_references import References
from server.formats.json_schema_strings import (
    LONGEST,
    NATIVE,
    PATTERNS,
    TEXT,
    PatternError,
    patterns_of,
)

MAX_SCHEMAS = 2000
MAX_DEPTH = 30
MAX_PROPERTIES = 500
# Each is compared with each.
MAX_PATTERN_PROPERTIES = 50
MAX_VALUES = 5000
MAX_FACTORS = 20_000


class Rewriter:
    """Rewrites the schemas of one document. Errors of every method: SchemaFault.

    `places` tells where what was written came from, by the `id` of what was written; `choices` are
    the written schemas that have a oneOf; `factors` are all numbers of multipleOf, and `combines`
    whether more than one schema may apply to a value.
    """

    def __init__(self, references: References) -> None:
        self.places: dict[int, str] = {}
        self.choices: list[tuple[dict[str, Any], str]] = []
        self.factors: list[int | float] = []
        self.combines = False
        self._references = references
        self._values = 0
        self._remainders = 0

    def rewrite(self, schema: object, path: str, depth: int = 0) -> Any:
        """A schema as the matcher understands it: an object or a boolean."""
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise SchemaFault(path, "A schema is an object, true or false.")
        if depth > MAX_DEPTH:
            raise SchemaFault(path, f"Schemas nest at most {MAX_DEPTH} deep; use $defs.")
        check_keywords(schema, path)
        written: dict[str, Any] = {}
        self.places[id(written)] = path
        if len(self.places) > MAX_SCHEMAS:
            raise SchemaFault(path, f"A schema has at most {MAX_SCHEMAS} schemas in it.")
        kinds = types_of(schema, path)
        if kinds is not None:
            written["type"] = kinds[0] if len(kinds) == 1 else kinds
        for key, value in self._modern(schema, path).items():
            self._write(written, key, value, child(path, key), depth + 1)
        self.combines |= len(written.get("allOf", ())) > 1 or (
            len(written) > 1 and not written.keys().isdisjoint(COMBINING)
        )
        close_bounds(written)
        _check_minimum(written, path)
        if schema.get("nullable") is True and kinds is None:
            return self._noted({"anyOf": [written, {"type": "null"}]}, path)
        return written

    def _noted(self, written: dict[str, Any], path: str) -> dict[str, Any]:
        self.places[id(written)] = path
        return written

    def _write(self, written: dict[str, Any], key: str, value: Any, at: str, depth: int) -> None:
        match key:
            case "properties":
                written[key] = self._properties(value, at, depth)
            case "patternProperties":
                written[key] = self._pattern_properties(value, at, depth)
            case "items" | "additionalProperties":
                written[key] = self.rewrite(value, at, depth)
            case "prefixItems":
                written[key] = self._all(value, at, depth)
            case "anyOf" | "oneOf" | "allOf":
                self._combine(written, key, self._all(value, at, depth), at)
            case "minLength" | "maxLength" | "minItems" | "maxItems":
                written[key] = count(key, value, at)
            case "minProperties" | "maxProperties":
                written[key] = count(key, value, at)
            case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
                written[key] = number(value, at)
            case "multipleOf":
                written[key] = self._factor(value, at)
            case "enum":
                written[key] = self._counted(values(value, at), at)
            case "const":
                written[key] = self._counted([plain_value(value, at)], at)[0]
            case "required":
                written[key] = _names(value, at)
            case "pattern":
                self._pattern(written, value, at)
            case "format":
                _format(written, value, at)
            case "$ref":
                written[key] = self._references.rename(value, at)

    def _properties(self, named: object, at: str, depth: int) -> dict[str, Any]:
        if not isinstance(named, Mapping):
            raise SchemaFault(at, "The properties are an object of schemas by name.")
        if len(named) > MAX_PROPERTIES:
            raise SchemaFault(at, f"An object has at most {MAX_PROPERTIES} properties.")
        return {
            plain_text(name, at): self.rewrite(each, child(at, name), depth)
            for name, each in named.items()
        }

    def _pattern_properties(self, named: object, at: str, depth: int) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for pattern, schema in self._properties(named, at, depth).items():
            if len(written) == MAX_PATTERN_PROPERTIES:
                raise SchemaFault(at, f"There are at most {MAX_PATTERN_PROPERTIES} patterns here.")
            only, *demands = _patterns(pattern, child(at, pattern))
            if demands:
                raise SchemaFault(child(at, pattern), "Names of properties take no lookaheads.")
            written[only] = schema
        return written

    def _all(self, schemas: object, at: str, depth: int) -> list[Any]:
        if not isinstance(schemas, list | tuple) or not schemas:
            raise SchemaFault(at, "This is a list with at least one schema.")
        return [self.rewrite(each, child(at, place), depth) for place, each in enumerate(schemas)]

    def _combine(self, written: dict[str, Any], key: str, schemas: list[Any], at: str) -> None:
        # oneOf becomes anyOf in the end, of which there can be only one.
        if key == "allOf":
            written.setdefault("allOf", []).extend(schemas)
        elif "anyOf" in written or "oneOf" in written:
            holder = self._noted({key: schemas}, at)
            written.setdefault("allOf", []).append(holder)
            self._choose(holder, key, at)
        else:
            written[key] = schemas
            self._choose(written, key, at)

    def _choose(self, holder: dict[str, Any], key: str, at: str) -> None:
        if key == "oneOf":
            self.choices.append((holder, at))

    def _counted(self, listed: list[Any], at: str) -> list[Any]:
        self._values += sum(map(size_of, listed))
        if self._values > MAX_VALUES:
            raise SchemaFault(at, f"A schema lists at most {MAX_VALUES} values.")
        return listed

    def _factor(self, value: object, at: str) -> int | float:
        step = factor(value, at)
        self.factors.append(step)
        self._remainders += whole_of(step)
        # The matcher remembers every remainder of each.
        if self._remainders > MAX_FACTORS:
            raise SchemaFault(at, f"A schema's multipleOf add up to {MAX_FACTORS} at most.")
        return step

    def _pattern(self, written: dict[str, Any], pattern: object, at: str) -> None:
        for each in _patterns(plain_text(pattern, at), at):
            _demand(written, "pattern", each)

    # --- older and rarer ways to say the same ----------------------------------------------------

    def _modern(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        """The schema without what only older drafts have."""
        modern = dict(schema)
        for bound in ("minimum", "maximum"):
            exclusive = f"exclusive{bound.capitalize()}"
            is_exclusive = modern.get(exclusive)
            if isinstance(is_exclusive, bool):
                del modern[exclusive]
            if is_exclusive is True and bound in modern:
                modern[exclusive] = modern.pop(bound)
        rest = modern.pop("additionalItems", None)
        if isinstance(modern.get("items"), list | tuple):
            modern["prefixItems"] = modern.pop("items")
            if rest is not None:
                modern["items"] = rest
        if "propertyNames" in modern:
            self._name_properties(modern, path)
        return modern

    def _name_properties(self, schema: dict[str, Any], path: str) -> None:
        """propertyNames as properties or patternProperties, where that says the same."""
        at = child(path, "propertyNames")
        names = schema.pop("propertyNames")
        if isinstance(names, Mapping) and set(names) == {"$ref"}:
            names = self._references.find(names["$ref"], child(at, "$ref"))[0]
        if names is True:
            return
        if not isinstance(names, Mapping) or names.get("type", "string") != "string":
            raise unsupported("propertyNames", at)
        said = {k for k in names if k not in ANNOTATIONS and not k.startswith(ANNOTATION_PREFIX)}
        if not said - {"type"}:
            return
        free = schema.get("additionalProperties", True)
        if schema.get("properties") or schema.get("patternProperties"):
            raise unsupported("propertyNames", at)
        schema["additionalProperties"] = False
        if said - {"type"} == {"pattern"}:
            schema["patternProperties"] = {names["pattern"]: free}
        elif said - {"type"} in ({"enum"}, {"const"}):
            listed = names["enum"] if "enum" in said else [names["const"]]
            schema["properties"] = {plain_text(name, at): free for name in values(listed, at)}
        else:
            raise unsupported("propertyNames", at)


def _check_minimum(written: dict[str, Any], path: str) -> None:
    # Of names that the schema does not give, the same may come twice: only one of them counts.
    least, named = written.get("minProperties", 0), len(set(written.get("required", ())))
    if least <= named:
        written.pop("minProperties", None)
    elif least > named + 1:
        raise SchemaFault(
            child(path, "minProperties"),
            "minProperties is at most one more than the properties that are required;"
            " name them in required.",
        )


def _names(value: object, at: str) -> list[str]:
    if not isinstance(value, list | tuple):
        raise SchemaFault(at, "required is a list of names.")
    return list(dict.fromkeys(plain_text(name, at) for name in value))


def _demand(written: dict[str, Any], key: str, value: Any) -> None:
    if key in written:
        written.setdefault("allOf", []).append({key: value})
    else:
        written[key] = value


def _patterns(pattern: str, at: str) -> list[str]:
    try:
        return patterns_of(pattern)
    except PatternError as error:
        raise SchemaFault(at, f"The pattern {error}; say it otherwise.") from None


def _format(written: dict[str, Any], name: object, at: str) -> None:
    text = plain_text(name, at)
    kinds = written.get("type", "string")
    # Formats say something of strings only.
    if text in TEXT or "string" not in ([kinds] if isinstance(kinds, str) else kinds):
        return
    if text in PATTERNS:
        _demand(written, "pattern", f"^(?:{PATTERNS[text]})$")
    elif text in NATIVE:
        written["format"] = text
        if text in LONGEST:
            written.setdefault("allOf", []).append({"maxLength": LONGEST[text]})
    else:
        known = ", ".join(sorted({*PATTERNS, *NATIVE}))
        raise SchemaFault(
            at, f"The format {text!r} is not known; use a pattern, or one of {known}."
        )
