"""The tools of a chat completion request -> core tools; the older `functions` mean the same.

Knows neither messages nor how a tool is shown to the model.
"""

from typing import Any

from server.core.messages import Tool, ToolChoice
from server.dialects.openai_chat_body import ChatBody, FunctionPart, ToolPart
from server.dialects.openai_chat_messages import check_function_name
from server.dialects.openai_errors import invalid_value, missing, unsupported

MAX_TOOLS = 128


def to_tools(body: ChatBody) -> tuple[tuple[Tool, ...], ToolChoice]:
    """The tools in order, and whether they may be called. Errors: ServerError invalid."""
    if body.tools and body.functions:
        raise invalid_value("functions", "send either 'tools' or the older 'functions'")
    if body.functions:
        named = [(f"functions[{i}]", part) for i, part in enumerate(body.functions)]
    else:
        named = [_function(part, f"tools[{i}]") for i, part in enumerate(body.tools or ())]
    if len(named) > MAX_TOOLS:
        raise invalid_value("tools", f"at most {MAX_TOOLS} are allowed")
    tools: dict[str, Tool] = {}
    for path, part in named:
        if part.name in tools:
            raise invalid_value(f"{path}.name", f"the name '{part.name}' is used twice")
        tools[part.name] = _tool(part, path)
    return tuple(tools.values()), _choice(body)


def uses_functions(body: ChatBody) -> bool:
    """Whether the client speaks the older dialect of function calls and expects it in the reply."""
    return bool(body.functions)


def _function(part: ToolPart, path: str) -> tuple[str, FunctionPart]:
    if part.type != "function":
        raise invalid_value(f"{path}.type", "only tools of type 'function' are available")
    if part.function is None:
        raise missing(f"{path}.function")
    return f"{path}.function", part.function


def _tool(part: FunctionPart, path: str) -> Tool:
    check_function_name(part.name, f"{path}.name")
    if part.parameters is not None and part.parameters.get("type", "object") != "object":
        raise invalid_value(f"{path}.parameters", "it must be a JSON schema of type 'object'")
    return Tool(name=part.name, description=part.description, parameters=part.parameters or None)


def _choice(body: ChatBody) -> ToolChoice:
    for param, value in (("tool_choice", body.tool_choice), ("function_call", body.function_call)):
        match value:
            case None | "auto":
                continue
            case "none":
                return "none"
        raise unsupported(param, f"only 'auto' and 'none' are available now, not {_shown(value)}")
    return "auto"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object of type {str(value.get('type', 'function'))[:40]!r}"
    return repr(str(value)[:40])
