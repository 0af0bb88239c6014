"""Function tools as the TypeScript namespace that gpt-oss was trained on, and JSON answers.

Byte for byte what openai-harmony 0.0.8 prints, including where it forgets: `$ref`, `anyOf`, `const`
and anything unknown become `any`, and only strings are listed of an `enum`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from server.core.errors import ServerError
from server.core.messages import Tool
from server.core.request import JsonOutput
from server.formats.harmony_json import json_text

MAX_DEPTH = 100


def tools_section(tools: Sequence[Tool]) -> str:
    """The `# Tools` section for these tools. Errors: ServerError invalid for a schema nested too
    deeply.
    """
    lines = ["# Tools\n", "## functions\n", "namespace functions {\n"]
    for tool in tools:
        lines += [f"// {line}" for line in _lines(tool.description or "")]
        lines.append(f"type {tool.name} = {_signature(tool)} => any;\n")
    return "\n".join([*lines, "} // namespace functions"])


def formats_section(output: JsonOutput) -> str:
    """The `# Response Formats` section for this form of answer."""
    lines = ["# Response Formats\n", f"## {output.name or 'response'}\n"]
    lines += [f"// {line}" for line in _lines(output.description or "")]
    return "\n".join([*lines, json_text(output.schema)])


def _signature(tool: Tool) -> str:
    if tool.parameters is None:
        return "()"
    try:
        return f"(_: {typescript(tool.parameters)})"
    except RecursionError:
        raise ServerError(
            "invalid",
            f"The parameters of the tool {tool.name} are nested more than {MAX_DEPTH} levels deep.",
            param="tools",
        ) from None


def _lines(text: str) -> Iterator[str]:
    """Lines as Rust's `str::lines` has them: split at \\n only, a \\r before it belongs to it."""
    *lines, last = text.split("\n")
    yield from (line.removesuffix("\r") for line in lines)
    if last:
        yield last


def typescript(schema: Any, indent: str = "", depth: int = 0) -> str:
    """A JSON schema as a TypeScript type. Errors: RecursionError beyond MAX_DEPTH levels."""
    if depth > MAX_DEPTH:
        raise RecursionError
    if not isinstance(schema, Mapping):
        return "any"
    variants = schema.get("oneOf")
    if isinstance(variants, list):
        return "".join(
            f"\n{indent} | {_variant(variant, indent, depth)}{_remarks(variant)}"
            for variant in variants
        )
    kind = schema.get("type")
    if isinstance(kind, list):
        names = [name for name in kind if isinstance(name, str)]
        return " | ".join("number" if name == "integer" else name for name in names) or "any"
    return _typed(schema, kind, indent, depth)


def _typed(schema: Mapping[str, Any], kind: Any, indent: str, depth: int) -> str:
    match kind:
        case "object":
            return _object(schema, indent, depth)
        case "string":
            values = [f'"{value}"' for value in _strings(schema.get("enum"))]
            return " | ".join(values) or "string"
        case "number" | "integer":
            return "number"
        case "boolean":
            return "boolean"
        case "array" if "items" in schema:
            return f"{typescript(schema['items'], indent, depth + 1)}[]"
        case "array":
            return "Array<any>"
        case _:
            return "any"


def _object(schema: Mapping[str, Any], indent: str, depth: int) -> str:
    properties = schema.get("properties")
    required = set(_strings(schema.get("required")))
    out = [*_comment(indent, schema.get("description")), "{\n"]
    if isinstance(properties, Mapping):
        for key, value in properties.items():
            name = key if key in required else f"{key}?"
            out += _property(name, value if isinstance(value, Mapping) else {}, indent, depth)
    return "".join([*out, indent, "}"])


def _property(name: str, schema: Mapping[str, Any], indent: str, depth: int) -> Iterator[str]:
    if isinstance(title := schema.get("title"), str):
        yield f"{indent}// {title}\n{indent}//\n"
    if "oneOf" not in schema:
        yield from _comment(indent, schema.get("description"))
    if isinstance(examples := schema.get("examples"), list) and examples:
        yield f"{indent}// Examples:\n"
        yield from (f'{indent}// - "{example}"\n' for example in _strings(examples))
    if isinstance(schema.get("oneOf"), list):
        yield from _choice(name, schema, indent, depth)
        return
    default = _default(schema) if "oneOf" not in schema else None
    yield f"{indent}{name}: {_nullable(schema, f'{indent}    ', depth)},"
    yield f" // {default}\n" if default else "\n"


def _choice(name: str, schema: Mapping[str, Any], indent: str, depth: int) -> Iterator[str]:
    """A property with `oneOf`: a variant a line, remarks beside them, the property's own above."""
    variants = schema["oneOf"]
    description = schema.get("description")
    above = list(_comment(indent, description))
    if above and variants and _description(variants[0]) == description:
        above = []
    yield from above
    yield from _comment(indent, _default(schema))
    yield f"{indent}{name}:\n"
    for number, variant in enumerate(variants):
        remark = _description(variant)
        if remark == description or (number == 0 and above):
            remark = None
        remarks = " ".join(text for text in (remark, _default(variant)) if text is not None)
        named = remark is not None or _default(variant) is not None
        yield f"{indent} | {_variant(variant, indent, depth)}{f' // {remarks}' if named else ''}\n"
    yield f"{indent},\n"


def _variant(variant: Any, indent: str, depth: int) -> str:
    return _nullable(variant, f"{indent}   ", depth)


def _nullable(schema: Any, indent: str, depth: int) -> str:
    text = typescript(schema, indent, depth + 1)
    nullable = isinstance(schema, Mapping) and schema.get("nullable") is True
    return f"{text} | null" if nullable and "null" not in text else text


def _remarks(variant: Any) -> str:
    """What stands behind a variant of a bare `oneOf`; unlike elsewhere an enum's default is quoted
    there.
    """
    texts = [_description(variant)]
    if isinstance(variant, Mapping) and "default" in variant:
        default = variant["default"]
        quoted = isinstance(default, str) and not _is_enum(variant)
        texts.append(f'default: "{default}"' if quoted else f"default: {json_text(default)}")
    found = [text for text in texts if text is not None]
    return f" // {' '.join(found)}" if found else ""


def _default(schema: Any) -> str | None:
    if not isinstance(schema, Mapping) or "default" not in schema:
        return None
    default = schema["default"]
    if not isinstance(default, str):
        return f"default: {json_text(default)}"
    return f"default: {default}" if _is_enum(schema) else f'default: "{default}"'


def _description(schema: Any) -> str | None:
    text = schema.get("description") if isinstance(schema, Mapping) else None
    return text if isinstance(text, str) else None


def _is_enum(schema: Mapping[str, Any]) -> bool:
    values = schema.get("enum")
    return isinstance(values, list) and bool(values)


def _strings(values: Any) -> list[str]:
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def _comment(indent: str, text: Any) -> Iterator[str]:
    if isinstance(text, str):
        yield f"{indent}// {text}\n"
