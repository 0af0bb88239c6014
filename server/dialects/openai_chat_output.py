"""What form a client wants the visible answer to have: OpenAI's `response_format`, and the fields
that llama.cpp's and vLLM's clients send instead.

Knows no schema's meaning: what of it can be held to is found by whoever does it.
"""

import json
from typing import Any

from server.core.request import GrammarOutput, JsonOutput, Output
from server.dialects.openai_chat_body import AnswerBody, ResponseFormat
from server.dialects.refusals import invalid_value, missing

_SCHEMA = "response_format.json_schema.schema"


def to_output(body: AnswerBody) -> Output | None:
    """None for free text. Errors: ServerError invalid."""
    asked: dict[str, Output] = {}
    if body.response_format is not None and (given := _format(body.response_format)):
        asked["response_format"] = given
    if body.json_schema is not None:
        asked["json_schema"] = JsonOutput(schema=body.json_schema, path="json_schema")
    if body.guided_json is not None:
        asked["guided_json"] = JsonOutput(schema=_guided(body.guided_json), path="guided_json")
    for name, text in (("grammar", body.grammar), ("guided_grammar", body.guided_grammar)):
        if text is not None and text.strip():
            asked[name] = GrammarOutput(text=text)
    if len(asked) > 1:
        first, second, *_ = asked
        raise invalid_value(second, f"'{first}' gives the answer a form already; send one of them")
    return next(iter(asked.values()), None)


def _format(given: ResponseFormat) -> Output | None:
    match given.type:
        case "text":
            return None
        case "json_object":
            return JsonOutput(schema=given.schema_, path="response_format.schema")
        case "json_schema":
            return _schema(given)
    raise invalid_value(
        "response_format.type", "it must be one of 'text', 'json_object' and 'json_schema'"
    )


def _schema(given: ResponseFormat) -> JsonOutput:
    form = given.json_schema
    if form is None:
        if given.schema_ is None:
            raise missing("response_format.json_schema")
        return JsonOutput(schema=given.schema_, path="response_format.schema")
    return JsonOutput(
        # Without a schema OpenAI takes any object.
        schema=form.schema_,
        name=form.name or "",
        description=form.description,
        path=_SCHEMA,
    )


def _guided(given: dict[str, Any] | str) -> dict[str, Any]:
    """vLLM takes the schema as text too."""
    if isinstance(given, dict):
        return given
    try:
        schema = json.loads(given)
    except ValueError as error:
        raise invalid_value("guided_json", f"it is not JSON: {error}") from None
    if not isinstance(schema, dict):
        raise invalid_value("guided_json", "it must be a JSON schema, that is an object")
    return schema
