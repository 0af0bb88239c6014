"""The tools of a Messages request -> core tools, and which of them may or must be called.

Knows neither messages nor how a tool is shown to the model.
"""

from collections.abc import Collection

from server.core.messages import Tool, ToolChoice
from server.dialects.anthropic_body import CountBody, MessageTool
from server.dialects.openai_chat_messages import check_function_name
from server.dialects.openai_chat_tools import MAX_TOOLS
from server.dialects.refusals import invalid_value, missing, unsupported


def to_tools(body: CountBody) -> tuple[Tool, ...]:
    """The tools in order. Errors: ServerError invalid."""
    if len(body.tools or ()) > MAX_TOOLS:
        raise invalid_value("tools", f"at most {MAX_TOOLS} are allowed")
    tools: dict[str, Tool] = {}
    for index, part in enumerate(body.tools or ()):
        path = f"tools[{index}]"
        if part.name in tools:
            raise invalid_value(f"{path}.name", f"the name '{part.name}' is used twice")
        tools[part.name] = _tool(part, path)
    return tuple(tools.values())


def to_choice(body: CountBody, tools: Collection[Tool]) -> tuple[ToolChoice, tuple[str, ...]]:
    """Whether a tool may or must be called, and which ones; none named: all of them."""
    choice = body.tool_choice
    match choice.type if choice else "auto":
        case "auto":
            return "auto", ()
        case "none":
            return "none", ()
        case "any" if tools:
            return "required", ()
        case "any":
            raise invalid_value("tool_choice", "'any' needs 'tools'")
        case "tool":
            name = choice.name if choice else None
            if name not in {tool.name for tool in tools} or name is None:
                raise invalid_value("tool_choice.name", "it must be the name of one of 'tools'")
            return "required", (name,)
    raise invalid_value("tool_choice.type", "it must be one of 'auto', 'any', 'tool' and 'none'")


def _tool(part: MessageTool, path: str) -> Tool:
    if part.type not in (None, "custom"):
        raise unsupported(
            f"{path}.type",
            f"{part.type[:40]!r} is a tool of Anthropic's own; only tools with an 'input_schema'"
            " are available",
        )
    if part.input_schema is None:
        raise missing(f"{path}.input_schema")
    check_function_name(part.name, f"{path}.name")
    if part.input_schema.get("type", "object") != "object":
        raise invalid_value(f"{path}.input_schema", "it must be a JSON schema of type 'object'")
    return Tool(
        name=part.name,
        description=part.description,
        parameters=part.input_schema or None,
        strict=bool(part.strict),
        path=path,
    )
