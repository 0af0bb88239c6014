"""The tools of a chat completion request -> core tools, and which of them are to be called; the
older `functions` mean the same.

Knows neither messages nor how a tool is shown to the model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from server.core.messages import Tool, ToolChoice
from server.dialects.openai_chat_body import ChatBody, FunctionPart, ToolPart
from server.dialects.openai_chat_messages import check_function_name
from server.dialects.refusals import invalid_value, missing

MAX_TOOLS = 128

# Whether tools are called, and the names of those that may be; no names: all of them.
Choice = tuple[ToolChoice, tuple[str, ...]]


def to_tools(body: ChatBody) -> tuple[Tool, ...]:
    """The tools in order. Errors: ServerError invalid."""
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
    return tuple(tools.values())


def to_choice(body: ChatBody, tools: Sequence[Tool]) -> Choice:
    """What is to be called. Errors: ServerError invalid, also for tools that are not there."""
    for param, value in (("tool_choice", body.tool_choice), ("function_call", body.function_call)):
        if value is None:
            continue
        choice, names = _chosen(param, value)
        _check_names(param, names, tools)
        if choice == "required" and not tools:
            raise invalid_value(param, "there are no tools to call; send 'tools' with it")
        return choice, names
    return "auto", ()


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
    return Tool(
        name=part.name,
        description=part.description,
        parameters=part.parameters or None,
        strict=bool(part.strict),
        path=path,
    )


def _chosen(param: str, value: str | Mapping[str, Any]) -> Choice:
    match value:
        case "auto" | "none" | "required":
            return value, ()
        case "any":
            return "required", ()
        case {"type": "allowed_tools", "allowed_tools": dict() as nested}:
            return _allowed(f"{param}.allowed_tools", nested)
        case dict() if value.get("type") == "allowed_tools":
            return _allowed(param, value)
        case {"type": "auto" | "none" | "required" as mode}:
            return _chosen(param, mode)
        case dict():
            return "required", (_name(param, value),)
    raise invalid_value(
        param, "it must be 'auto', 'none', 'required', a function by its name or 'allowed_tools'"
    )


def _allowed(path: str, allowed: Mapping[str, Any]) -> Choice:
    """Some of the tools, called if the model likes (mode auto) or in any case (required)."""
    mode, entries = allowed.get("mode", "auto"), allowed.get("tools")
    if mode not in ("auto", "required"):
        raise invalid_value(f"{path}.mode", "it must be 'auto' or 'required'")
    if not isinstance(entries, list) or not entries:
        raise invalid_value(f"{path}.tools", "it must name at least one tool")
    names = [_name(f"{path}.tools[{index}]", entry) for index, entry in enumerate(entries)]
    return mode, tuple(dict.fromkeys(names))


def _name(path: str, value: Any) -> str:
    """A function's name, in an object of its own (`function`) or beside the type."""
    if not isinstance(value, dict):
        raise invalid_value(path, "it must be an object that names a function")
    if value.get("type", "function") != "function":
        raise invalid_value(f"{path}.type", "only tools of type 'function' are available")
    holder, at = value, path
    if "function" in value:
        holder, at = value["function"], f"{path}.function"
    name = holder.get("name") if isinstance(holder, dict) else None
    if not isinstance(name, str):
        raise missing(f"{at}.name")
    return name


def _check_names(param: str, names: Sequence[str], tools: Sequence[Tool]) -> None:
    known = {tool.name for tool in tools}
    for name in names:
        if name not in known:
            raise invalid_value(param, f"there is no tool of the name {name[:64]!r}")
