"""Schemas of clients: what passes, in which form; and what is refused, where and why."""

import datetime
import decimal
import enum
import json
import uuid
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.lib._pydantic import to_strict_json_schema
from pydantic import UUID4, AnyUrl, BaseModel, Field

from server.core.errors import ServerError
from server.formats.json_schema import MAX_BYTES, checked
from server.formats.json_schema_keywords import HELD

AT = "response_format.json_schema.schema"


def written(schema: Any) -> Any:
    return json.loads(checked(schema, AT))


def fault(schema: Any) -> tuple[str, str]:
    """Where in the schema, and why."""
    with pytest.raises(ServerError) as caught:
        checked(schema, AT)
    error = caught.value
    assert error.kind == "invalid"
    assert error.param is not None
    assert error.param.startswith(AT)
    assert error.message.endswith(".")
    assert "\n" not in error.message
    return error.param.removeprefix(AT), error.message


# --- what clients' libraries write ---------------------------------------------------------------


class Color(enum.Enum):
    RED = "red"
    GREEN = "green"


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str | None = None


class Node(BaseModel):
    value: int
    next: "Node | None" = None
    children: "list[Node]" = []


class Everything(BaseModel):
    """A model of all that is usual."""

    count: int = Field(ge=0, le=10, description="How many")
    share: Annotated[float, Field(gt=0, lt=1, multiple_of=0.01)]
    name: Annotated[str, Field(min_length=1, max_length=5, pattern="^[a-z]+$")]
    maybe: str | None
    color: Color
    choice: Literal["x", "y", 3]
    tree: Node | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]
    day: datetime.date
    hour: datetime.time
    moment: datetime.datetime
    span: datetime.timedelta
    id: uuid.UUID
    fourth: UUID4
    link: AnyUrl
    price: decimal.Decimal
    counts: dict[str, int]
    of_colors: dict[Color, int]
    pair: tuple[int, str]
    row: tuple[int, ...]
    few: list[str] = Field(min_length=1, max_length=3)
    data: bytes
    anything: Any
    yes: bool = True


class Strict(BaseModel):
    count: int
    color: Color
    pet: Cat | Dog
    tree: Node
    maybe: str | None
    trees: list[Node]


def test_what_pydantic_writes_passes():
    schema = written(Everything.model_json_schema())
    assert list(schema["properties"]) == list(Everything.model_fields)
    assert schema["properties"]["count"] == {"type": "integer", "minimum": 0, "maximum": 10}
    assert set(schema["properties"]["pet"]) == {"anyOf"}
    assert "description" not in json.dumps(schema)


def test_what_the_openai_library_writes_passes():
    schema = written(to_strict_json_schema(Strict))
    assert schema["additionalProperties"] is False
    assert schema["required"] == list(Strict.model_fields)


@pytest.mark.parametrize(
    "pattern",
    [
        # Decimal, in several versions of pydantic.
        r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$",
        r"^(?=.*[A-Z])(?=.*\d)[A-Za-z\d]{8,}$",
        r"^\/[a-z\-]+\/$",
        r"^[[\]&&~~]+$",
        r"^(?<year>\d{4})-\d\d$",
    ],
)
def test_patterns_of_ecmascript_pass(pattern: str):
    written({"type": "string", "pattern": pattern})


# --- what schemas become -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "same"),
    [
        (True, {}),
        ({"title": "T", "description": "d", "default": 1, "x-order": 1, "examples": [2]}, {}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"$ref": "#/$defs/a", "nullable": True, "$defs": {"a": {"type": "null"}}},
            {
                "anyOf": [{"$ref": "#/$defs/d0"}, {"type": "null"}],
                "$defs": {"d0": {"type": "null"}},
            },
        ),
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}),
        ({"minLength": 1}, {"type": "string", "minLength": 1}),
        (
            {"type": "array", "items": [{"type": "null"}], "additionalItems": False},
            {"type": "array", "prefixItems": [{"type": "null"}], "items": False},
        ),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True, "exclusiveMaximum": False},
            {"type": "number", "minimum": 1e-15},
        ),
        (
            {"type": "number", "maximum": 3, "exclusiveMaximum": 0, "exclusiveMinimum": -1},
            {"type": "number", "maximum": -1e-15, "exclusiveMinimum": -1},
        ),
        (
            {"type": "number", "exclusiveMinimum": 2.5, "exclusiveMaximum": 3},
            {"type": "number", "exclusiveMinimum": 2.5, "exclusiveMaximum": 3},
        ),
        ({"type": "array", "uniqueItems": False}, {"type": "array"}),
        (
            {"oneOf": [{"type": "string"}, {"type": "null"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        (
            {"anyOf": [{}], "oneOf": [{"type": "null"}]},
            {"anyOf": [{}], "allOf": [{"anyOf": [{"type": "null"}]}]},
        ),
        (
            {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {}},
            {"type": "object", "additionalProperties": False, "properties": {"a": {}, "b": {}}},
        ),
        (
            {"type": "object", "propertyNames": {"pattern": "^a"}},
            {"type": "object", "additionalProperties": False, "patternProperties": {"^a": True}},
        ),
        (
            {"type": "object", "properties": {"a": {}}, "required": ["a", "a"], "minProperties": 1},
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        ),
        ({"type": "integer", "format": "int32"}, {"type": "integer"}),
        ({"type": "string", "format": "password"}, {"type": "string"}),
        ({"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv4"}),
    ],
)
def test_schemas_are_written_in_few_words(schema: Any, same: Any):
    assert written(schema) == same


def test_references_lead_anywhere_in_the_schema():
    schema = {
        "type": "object",
        "properties": {"a b/c": {"type": "null"}, "z": {"$ref": "#/properties/a%20b~1c"}},
        "definitions": {"unused": {"not": {}}},
    }
    assert written(schema)["$defs"] == {"d0": {"type": "null"}}
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert written(tree)["properties"]["next"] == {"$ref": "#/$defs/d0"}


# --- what is refused -----------------------------------------------------------------------------

LOOP = {"type": "object", "properties": {"n": {"$ref": "#/$defs/loop"}}, "required": ["n"]}
KINDS = [{"type": "object", "properties": {"k": {"const": k}}} for k in "ab"]


@pytest.mark.parametrize(
    ("schema", "place", "reason"),
    [
        ([], "", "A schema is an object"),
        (None, "", "A schema is an object"),
        (False, "", "No value fits"),
        ({"properties": {"age": {"not": {}}}}, ".properties.age.not", "say what is allowed"),
        ({"anyOf": [{}, {"if": {}}]}, ".anyOf[1].if", "use anyOf"),
        ({"type": "array", "uniqueItems": True}, ".uniqueItems", "check the answer"),
        ({"items": {"contains": {}}}, ".items.contains", "items or prefixItems"),
        ({"dependentRequired": {}}, ".dependentRequired", "use anyOf"),
        ({"unevaluatedProperties": False}, ".unevaluatedProperties", "additionalProperties"),
        ({"propertyNames": {"minLength": 2}}, ".propertyNames", "use patternProperties"),
        ({"$dynamicRef": "#a"}, ".$dynamicRef", "use $ref"),
        ({"minLenght": 3}, ".minLenght", "no schema keyword 'minLenght'"),
        ({"type": "text"}, ".type", "A type is one of"),
        ({"type": []}, ".type", "A type is one of"),
        ({"type": 5}, ".type", "A type is one of"),
        ({"type": [["string"]]}, ".type", "A type is one of"),
        ({"properties": []}, ".properties", "an object of schemas"),
        ({"required": "a"}, ".required", "a list of names"),
        ({"required": [1]}, ".required", "a string"),
        ({"anyOf": []}, ".anyOf", "at least one schema"),
        ({"enum": []}, ".enum", "at least one value"),
        ({"enum": ["a", "\ud800"]}, ".enum[1]", "half of a surrogate pair"),
        ({"const": 2**60}, ".const", "use a string"),
        ({"const": float("inf")}, ".const", "finite"),
        ({"const": {1, 2}}, ".const", "no JSON value"),
        ({"minimum": "1"}, ".minimum", "a number"),
        ({"minimum": 1e-300}, ".minimum", "at most 15 digits"),
        ({"maximum": 90100.00000000001}, ".maximum", "at most 15 digits"),
        ({"multipleOf": 0}, ".multipleOf", "greater than 0"),
        ({"multipleOf": 0.07}, ".multipleOf", "cannot be held"),
        ({"multipleOf": 10_001}, ".multipleOf", "cannot be held"),
        ({"allOf": [{"multipleOf": 0.001}, {"multipleOf": 9973}]}, "", "too far apart"),
        ({"minLength": -1}, ".minLength", "lies between 0 and 100000"),
        ({"maxLength": 1.5}, ".maxLength", "a whole number"),
        ({"maxItems": 10**9}, ".maxItems", "lies between 0 and 1000"),
        ({"type": "object", "minProperties": 2}, ".minProperties", "name them in required"),
        ({"type": "string", "format": "colour"}, ".format", "not known; use a pattern"),
        ({"pattern": "^(?!a)b"}, ".pattern", "negative lookahead"),
        ({"pattern": "^(?=a"}, ".pattern", "not closed"),
        ({"pattern": "x" * 3000}, ".pattern", "longer than 2000"),
        ({"properties": {"a": {"pattern": "(a"}}}, ".properties.a", "unclosed group"),
        ({"items": {"pattern": r"(a)\1"}}, ".items", "backreferences"),
        ({"items": {"pattern": r"\bword"}}, ".items", "lookarounds"),
        ({"$ref": "other.json"}, ".$ref", "leads to the same schema"),
        ({"$ref": 5}, ".$ref", "leads to the same schema"),
        ({"$ref": "#/$defs/x"}, ".$ref", "nothing at /$defs/x"),
        ({"$ref": "#"}, "", "No value fits"),
        ({"$ref": "#/$defs/loop", "$defs": {"loop": LOOP}}, ".$defs.loop", "No value fits"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "", "greater than maximum"),
        ({"items": {"minLength": 5, "maxLength": 3}, "minItems": 1}, ".items", "greater than"),
        ({"type": "string", "const": 1}, "", "incompatible types"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, ".oneOf", "Branches 0 and 1"),
        ({"items": {"oneOf": KINDS}}, ".items.oneOf", "required property with a const"),
    ],
)
def test_what_would_not_be_held_is_refused(schema: Any, place: str, reason: str):
    found = fault(schema)
    assert found[0] == place
    assert reason in found[1]


def test_a_fault_behind_a_reference_is_found():
    schema = {
        "type": "object",
        "properties": {"a": {"type": "array", "items": {"$ref": "#/$defs/A"}}},
        "$defs": {"A": {"type": "object", "properties": {"b": {"type": "string", "pattern": "("}}}},
    }
    assert fault(schema)[0] == ".$defs.A.properties.b"


def deep(levels: int) -> Any:
    schema: Any = {}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def wide_all_of(count: int) -> Any:
    pair = [[{"properties": {f"{side}{i}": {}}} for side in "ab"] for i in range(count)]
    return {"type": "object", "allOf": [{"anyOf": options} for options in pair]}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (deep(31), "at most 30 deep"),
        (deep(3000), "at most 30 deep"),
        ({"properties": {f"p{i}": {} for i in range(501)}}, "at most 500 properties"),
        ({"anyOf": [{"const": i} for i in range(2001)]}, "at most 2000 schemas"),
        ({"patternProperties": {f"^{i}$": {} for i in range(51)}}, "at most 50 patterns"),
        ({"prefixItems": [{"multipleOf": 9999}] * 3}, "add up to 20000 at most"),
        ({"enum": list(range(5001))}, "at most 5000 values"),
        ({"const": [{"a": 1}] * 2500}, "at most 5000 values"),
        ({"enum": ["x" * MAX_BYTES]}, f"at most {MAX_BYTES} characters"),
        (wide_all_of(12), "too large"),
    ],
)
def test_size_is_bounded(schema: Any, reason: str):
    assert reason in fault(schema)[1]


@pytest.mark.parametrize(
    "schema",
    [
        deep(30),
        {"properties": {f"p{i}": {"type": "string"} for i in range(500)}},
        {"enum": [f"value {i}" for i in range(5000)]},
        {"items": {"items": {"type": "integer"}, "maxItems": 1000}, "maxItems": 1000},
        {"type": "string", "minLength": 100_000, "maxLength": 100_000},
        {"oneOf": [{"properties": {"k": {"const": i}}, "required": ["k"]} for i in range(150)]},
        {
            "$ref": "#/$defs/a0",
            "$defs": {
                **{f"a{i}": {"allOf": [{"$ref": f"#/$defs/a{i + 1}"}] * 2} for i in range(29)},
                "a29": {"type": "object"},
            },
        },
    ],
)
def test_what_is_within_the_bounds_passes(schema: Any):
    checked(schema, AT)


# --- oneOf ---------------------------------------------------------------------------------------


def tagged(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"k": value, **more}, "required": ["k"]}


@pytest.mark.parametrize(
    "branches",
    [
        [{"type": "integer"}, {"type": ["string", "null"]}],
        [{"const": 1}, {"const": "1"}, {"const": True}],
        [{"enum": ["a", "b"]}, {"enum": ["c"]}, {"type": "number"}],
        [{"type": "integer", "maximum": 3}, {"type": "number", "exclusiveMinimum": 3}],
        [tagged({"const": "a"}), tagged({"const": "b"})],
        [tagged({"type": "string"}), tagged({"type": "integer"})],
        [tagged({"anyOf": [{"const": 1}, {"const": 2}]}), tagged({"enum": [3, 4]})],
        [tagged({}), {"type": "object", "additionalProperties": False}],
        [{"allOf": [tagged({"const": 1})]}, {"allOf": [tagged({"const": 2})]}],
        [False, {"type": "string"}, False],
    ],
)
def test_branches_that_share_nothing_pass(branches: list[Any]):
    assert len(written({"oneOf": branches})["anyOf"]) == len(branches)


@pytest.mark.parametrize(
    "branches",
    [
        [{}, {"type": "string"}],
        [{"const": 1}, {"const": 1.0}],
        [{"type": "integer", "maximum": 3}, {"type": "integer", "minimum": 3}],
        [tagged({"const": "a"}), tagged({"const": "b"}) | {"required": []}][1:] * 2,
        [tagged({"type": "integer"}), tagged({"type": "number"})],
        [{"type": "array", "maxItems": 1}, {"type": "array", "minItems": 2}],  # not looked into
        [tagged({"const": "a"}) | {"patternProperties": {"k": {}}}, tagged({"const": "a"})],
    ],
)
def test_branches_that_may_share_a_value_are_refused(branches: list[Any]):
    assert fault({"oneOf": branches})[0] == ".oneOf"


# --- nothing else ever happens -------------------------------------------------------------------

KEYWORDS = st.sampled_from(sorted({*HELD, "not", "title", "x-any"}))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["string", "object", "array", "#", "#/$defs/a", "^a", "date", "(", "[^]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS | st.just("a"), inner),
    max_leaves=15,
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(KEYWORDS, VALUES))
def test_any_value_is_checked_or_refused(schema: Any):
    assert outcome(schema) in ("str", "ServerError")


def outcome(schema: Any) -> str:
    try:
        return type(checked(schema, AT)).__name__
    except ServerError as error:
        return type(error).__name__
