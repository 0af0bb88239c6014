"""The interface as Markdown: every endpoint, and of every field of a body whether it is honoured,
ignored or refused.

Written from the routes and the bodies themselves, so that it cannot say what they do not do.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import annotated_types
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from server.api.bodies import BODIES, OPTIONS
from server.dialects.other_fields import OtherFields
from server.interface_types import range_text, subfields, type_text

HEAD = """# The interface

<!-- gpt-api describe-api -->

What the server answers, and what becomes of every field that a request may have. *Honoured*: it
does what its name says. *Ignored*: taken, and changes nothing. *Refused*: answered with 400 and the
field's name, for ignoring it would change the meaning of the answer. What stands nowhere here is
unknown: ignored, or at the top of a body refused with `STRICT_PARAMS=1`. `null` is the same as
leaving a field out.

Those under `/v1` also answer without it, and those about tokens also under `/v1` and `/extras`.

## Headers

| Header | Honoured as |
|---|---|
| `Authorization`, `x-api-key`, `api-key` | the key, with `Bearer ` before it or without |
| `x-reasoning-effort` | an effort, for OpenAI's endpoints and `/chat` |
| `anthropic-version` | whatever its value: the models and errors come in Anthropic's words |
| `X-Request-ID`, `X-Client-Request-Id` | the id of the request, in the log and in the reply |
"""
TITLES = {
    "chat": "Chat",
    "completions": "Completions",
    "responses": "Responses",
    "messages": "Anthropic's Messages",
    "ollama": "Ollama",
    "embeddings": "Embeddings",
    "tokens": "Tokens",
    "models": "Models",
    "system": "The service",
}
_LIMITS = {
    annotated_types.Ge: "minimum",
    annotated_types.Gt: "exclusiveMinimum",
    annotated_types.Le: "maximum",
    annotated_types.Lt: "exclusiveMaximum",
}
_ROW = "| `{name}` | {value} | {fate} |"
_TABLE = ("| Field | Value | |", "|---|---|---|")


def markdown(app: FastAPI) -> str:
    """The whole page."""
    operations = list(_operations(app.openapi()))
    tags = [*TITLES, *sorted({tag for tag, _, _, _ in operations} - TITLES.keys())]
    sections = [HEAD]
    for tag in tags:
        own = [
            _endpoint(method, path, operation)
            for name, method, path, operation in operations
            if name == tag
        ]
        if own:
            sections.append("\n".join([f"## {TITLES.get(tag, tag)}", "", *own]))
    sections.append("# Bodies\n")
    sections += [_body(body, others) for body, others in BODIES.items()]
    sections += [_options(title, OPTIONS[title]) for title in OPTIONS]
    return "\n".join(sections)


def _operations(described: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Mapping[str, Any]]]:
    """(tag, method, path, operation) in the order of the routes."""
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield operation["tags"][0], method.upper(), path, operation


def _endpoint(method: str, path: str, operation: Mapping[str, Any]) -> str:
    lines = [f"### `{method} {path}`", "", f"{operation['summary']}."]
    if operation.get("description"):
        lines += ["", _one_line(operation["description"])]
    if reference := _reference(operation):
        lines += ["", f"Body: [{reference}](#{reference.lower()})."]
    queries = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
    if queries:
        rows = [
            _ROW.format(
                name=each["name"],
                value=type_text(each["schema"], {}),
                fate=_honoured(each.get("description", "")),
            )
            for each in queries
        ]
        lines += ["", *_TABLE, *rows]
    return "\n".join([*lines, ""])


def _reference(operation: Mapping[str, Any]) -> str:
    """The name of the body that an operation reads, if it reads one."""
    body = operation.get("requestBody")
    if body is None:
        return ""
    schema = body["content"]["application/json"]["schema"]
    return str(schema["$ref"]).rpartition("/")[2]


def _body(body: type[BaseModel], others: OtherFields) -> str:
    declared = list(_declared(body, others))
    names = {name for name, _ in declared}
    refused = sorted(others.refused.keys() - names)
    ignored = sorted(others.ignored - names)
    rows = [
        *(row for _, row in declared),
        *(_ROW.format(name=name, value="", fate=_other_fate(name, others)) for name in refused),
        *(_ROW.format(name=name, value="", fate=_other_fate(name, others)) for name in ignored),
    ]
    title = [f"## {body.__name__}", "", _one_line(body.__doc__ or "")]
    return "\n".join([*title, "", *_TABLE, *rows, ""])


def _other_fate(name: str, others: OtherFields) -> str:
    """Of a field that is not honoured; empty for one that is."""
    if reason := others.refused.get(name):
        return f"refused: {reason}"
    return "ignored" if name in others.ignored else ""


def _declared(body: type[BaseModel], others: OtherFields) -> Iterator[tuple[str, str]]:
    """A row for every field by its name, and for those of the objects that it holds."""
    schema = body.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    fields = {info.alias or name: info for name, info in body.model_fields.items()}
    for name, value in schema["properties"].items():
        info = fields[name]
        words = type_text(value, definitions)
        # What is read by a function of ours has lost its limits on the way into the schema.
        words += "" if "," in words else range_text(_limits(info))
        fate = _other_fate(name, others) or _fate(info)
        yield name, _ROW.format(name=name, value=words, fate=fate)
        for path, inner in subfields(name, value, definitions):
            yield (
                path,
                _ROW.format(
                    name=path,
                    value=type_text(inner, definitions),
                    fate=_honoured(inner.get("description", "")),
                ),
            )


def _fate(info: FieldInfo) -> str:
    return _honoured(info.description or "", "required" if info.is_required() else "honoured")


def _honoured(description: str, word: str = "honoured") -> str:
    if description.startswith("ignored"):
        return description
    return f"{word}: {description}" if description else word


def _limits(info: FieldInfo) -> dict[str, Any]:
    """A field's limits as a schema has them."""
    return {
        _LIMITS[type(limit)]: getattr(limit, type(limit).__name__.lower())
        for limit in info.metadata
        if type(limit) in _LIMITS
    }


def _options(title: str, options: Mapping[str, str]) -> str:
    rows = [_ROW.format(name=name, value="", fate=fate) for name, fate in options.items()]
    return "\n".join([f"## {title}", "", *_TABLE, *rows, ""])


def _one_line(text: str) -> str:
    return " ".join(text.split())
