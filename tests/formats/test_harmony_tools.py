"""Tool schemas as TypeScript: byte for byte what OpenAI's renderer prints."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.messages import Tool
from server.formats.harmony_tools import MAX_DEPTH, tools_section
from tests.formats.corpus import TOOL_SETS
from tests.formats.oracle import TOOLS_FILE, tools_text

GOLDEN = json.loads(TOOLS_FILE.read_text())

REMARKS = st.sampled_from(["d", "e", "of null", "two\nlines", ""])
VALUES = st.sampled_from(["x", "a", 1, -2.5, None, True, [1, "q"], {"a": {}}])
TYPES = st.sampled_from(
    [
        *("object", "string", "number", "integer", "boolean", "array", "null", "date", None),
        *(["string", "null"], ["integer", 3], []),
    ]
)
LEAVES = st.fixed_dictionaries(
    {"type": TYPES},
    optional={
        "description": REMARKS,
        "title": st.sampled_from(["T", 3]),
        "default": VALUES,
        "nullable": st.sampled_from([True, False, "yes"]),
        "enum": st.sampled_from([[], ["a", "b"], [1, "a"], [1], "zz"]),
        "examples": st.sampled_from([[], ["a", 1], "x"]),
        "required": st.sampled_from([["a", "b", 1], "a", []]),
        "const": st.just(1),
    },
)


def _grown(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.dictionaries(st.sampled_from("abc"), schemas | st.just(True), max_size=3)
    return st.builds(
        lambda leaf, more: leaf | more,
        LEAVES,
        st.fixed_dictionaries({"type": st.just("object"), "properties": properties})
        | st.fixed_dictionaries({"type": st.just("array"), "items": schemas})
        | st.fixed_dictionaries({"oneOf": st.lists(schemas, max_size=3) | st.just("x")}),
    )


@pytest.mark.parametrize("name", TOOL_SETS)
def test_rendering_is_the_stored_one(name: str) -> None:
    assert tools_section(TOOL_SETS[name]) == GOLDEN[name]


def test_the_stored_renderings_are_openais(harmony) -> None:
    assert {name: tools_text(harmony, tools) for name, tools in TOOL_SETS.items()} == GOLDEN


def test_any_schema_is_rendered_as_openai_does(harmony) -> None:
    @given(schema=st.recursive(LEAVES, _grown, max_leaves=8))
    @settings(max_examples=300, deadline=None)
    def check(schema: dict[str, Any]) -> None:
        tools = [Tool(name="f", description="Does it.", parameters=schema)]
        assert tools_section(tools) == tools_text(harmony, tools)

    check()


def test_a_missing_description_is_none() -> None:
    assert tools_section([Tool(name="f")]) == tools_section([Tool(name="f", description="")])


@pytest.mark.parametrize("wrapping", ["properties", "items", "oneOf", "default"])
def test_a_schema_nested_too_deeply_is_refused(wrapping: str) -> None:
    schema: dict[str, Any] = {}
    for _ in range(20 * MAX_DEPTH):
        schema = {
            "properties": {"type": "object", "properties": {"a": schema}},
            "items": {"type": "array", "items": schema},
            "oneOf": {"oneOf": [schema]},
            "default": {"a": schema},
        }[wrapping]
    if wrapping == "default":
        schema = {"type": "object", "properties": {"a": {"default": schema}}}
    with pytest.raises(ServerError, match="tool f are nested more than 100 levels") as caught:
        tools_section([Tool(name="f", parameters=schema)])
    assert (caught.value.kind, caught.value.param) == ("invalid", "tools")


def test_a_schema_nested_just_so_is_rendered() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(MAX_DEPTH):
        schema = {"type": "array", "items": schema}
    assert tools_section([Tool(name="f", parameters=schema)]).count("[]") == MAX_DEPTH
