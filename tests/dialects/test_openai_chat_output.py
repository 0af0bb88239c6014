"""The form of an answer as clients ask for it -> core output, and how wrong ones are refused."""

from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.request import GrammarOutput, JsonOutput, Output
from tests.dialects.asking import call

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FORM = {"name": "answer", "description": "D", "schema": SCHEMA, "strict": True}
GBNF = 'root ::= "yes" | "no"'


def output(body: dict[str, Any]) -> Output | None:
    (request,) = call(body).requests
    return request.output


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"response_format": None}, None),
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, JsonOutput()),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, JsonOutput(schema=SCHEMA)),
        (
            {"response_format": {"type": "json_schema", "json_schema": FORM}},
            JsonOutput(schema=SCHEMA, name="answer", description="D"),
        ),
        ({"response_format": {"type": "json_schema", "schema": SCHEMA}}, JsonOutput(schema=SCHEMA)),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            JsonOutput(name="n"),
        ),
        ({"json_schema": SCHEMA}, JsonOutput(schema=SCHEMA)),
        ({"guided_json": SCHEMA}, JsonOutput(schema=SCHEMA)),
        ({"guided_json": '{"type": "array"}'}, JsonOutput(schema={"type": "array"})),
        ({"grammar": GBNF}, GrammarOutput(text=GBNF)),
        ({"guided_grammar": GBNF}, GrammarOutput(text=GBNF)),
        ({"grammar": " ", "response_format": {"type": "json_object"}}, JsonOutput()),
    ],
)
def test_form_is_read(body: dict[str, Any], expected: Output | None):
    assert output(body) == expected


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (
            {"response_format": {"type": "json_schema", "json_schema": FORM}},
            "response_format.json_schema.schema",
        ),
        ({"json_schema": SCHEMA}, "json_schema"),
        ({"guided_json": SCHEMA}, "guided_json"),
    ],
)
def test_form_knows_where_it_was_written(body: dict[str, Any], path: str):
    asked = output(body)
    assert isinstance(asked, JsonOutput)
    assert asked.path == path


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a b"}}},
            "response_format.json_schema.name",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": []}}},
            "response_format.json_schema.schema",
        ),
        ({"json_schema": "{}"}, "json_schema"),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_json": "[]"}, "guided_json"),
        ({"grammar": 5}, "grammar"),
        ({"grammar": GBNF, "json_schema": SCHEMA}, "grammar"),
        ({"response_format": {"type": "json_object"}, "guided_grammar": GBNF}, "guided_grammar"),
    ],
)
def test_wrong_form_is_refused_by_its_path(body: dict[str, Any], param: str):
    with pytest.raises(ServerError) as caught:
        call(body)
    assert (caught.value.kind, caught.value.param) == ("invalid", param)
