"""docs/api.md is what the code says, and says everything."""

from pathlib import Path

import pytest

from server import interface_doc
from server.api.bodies import BODIES, OPTIONS
from server.application import create_app
from server.interface_types import subfields, type_text
from server.settings.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"


def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_page_is_the_one_in_force():
    written = interface_doc.markdown(create_app(Settings()))
    assert page() == written, "gpt-api describe-api > docs/api.md"


def test_every_endpoint_and_field_is_there():
    text = page()
    for path, methods in create_app(Settings()).openapi()["paths"].items():
        for method in methods:
            assert f"`{method.upper()} {path}`" in text
    for body, others in BODIES.items():
        section = text.partition(f"\n## {body.__name__}\n")[2].partition("\n## ")[0]
        fields = [info.alias or name for name, info in body.model_fields.items()]
        for name in (*fields, *others.ignored, *others.refused):
            assert f"| `{name}` |" in section
    for title, options in OPTIONS.items():
        section = text.partition(f"\n## {title}\n")[2]
        assert all(f"| `{name}` |" in section for name in options)


def test_every_body_that_a_route_reads_is_described():
    described = create_app(Settings()).openapi()
    read = {
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        for methods in described["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    }
    assert {reference.rpartition("/")[2] for reference in read} == {
        body.__name__ for body in BODIES
    }


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, "text"),
        (
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 20}, {"type": "null"}]},
            "whole number, 0 to 20",
        ),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number, above 0 and at most 1"),
        (
            {"type": "integer", "minimum": -1, "exclusiveMaximum": 9},
            "whole number, at least -1 and below 9",
        ),
        ({"type": "array", "items": {"$ref": "#/$defs/Part"}}, "list of: object"),
        ({"type": "array"}, "list of: anything"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({}, "anything"),
    ],
)
def test_values_are_told_in_words(schema: dict[str, object], text: str):
    assert type_text(schema, {"Part": {"type": "object"}}) == text


def test_fields_of_objects_have_paths_and_end():
    definitions = {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "nodes": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
        }
    }
    tree = {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}
    found = [path for path, _ in subfields("tree", tree, definitions)]
    assert found == ["tree.name", "tree.nodes"]
