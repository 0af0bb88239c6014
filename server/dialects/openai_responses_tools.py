"""The tools of a Responses request -> core tools, and which of them the model may or must call.

Knows neither items nor how a tool is shown to the model.
"""

from collections.abc import Collection, Sequence
from typing import Any

from server.core.messages import Tool, ToolChoice
from server.dialects.openai_chat_messages import check_function_name
from server.dialects.openai_chat_tools import MAX_TOOLS
from server.dialects.openai_responses_body import ResponsesBody, ResponseTool
from server.dialects.refusals import invalid_value, missing, unsupported

Choice = tuple[ToolChoice, tuple[str, ...]]


def to_tools(body: ResponsesBody) -> tuple[Tool, ...]:
    """The tools in order. Errors: ServerError invalid."""
    if len(body.tools or ()) > MAX_TOOLS:
        raise invalid_value("tools", f"at most {MAX_TOOLS} are allowed")
    tools: dict[str, Tool] = {}
    for index, part in enumerate(body.tools or ()):
        tool = _tool(part, f"tools[{index}]")
        if tool.name in tools:
            raise invalid_value(f"tools[{index}].name", f"the name '{tool.name}' is used twice")
        tools[tool.name] = tool
    return tuple(tools.values())


def to_choice(body: ResponsesBody, tools: Collection[Tool]) -> Choice:
    """Whether the model may, must or must not call, and the names it may call, empty for all.
    Errors: ServerError invalid.
    """
    names = {tool.name for tool in tools}
    match body.tool_choice:
        case None | "auto":
            return "auto", ()
        case "none":
            return "none", ()
        case "required":
            if not names:
                raise invalid_value("tool_choice", "'required' needs 'tools'")
            return "required", ()
        case {"type": "function", **rest}:
            return "required", (_known(rest.get("name"), "tool_choice.name", names),)
        case {"type": "allowed_tools", "mode": mode, "tools": [*listed]}:
            return _allowed(mode, listed, names)
        case {"type": "allowed_tools"}:
            raise invalid_value("tool_choice", "'allowed_tools' needs a 'mode' and 'tools'")
        case {"type": str(kind)}:
            raise unsupported("tool_choice.type", f"a tool of type '{kind[:40]}' is not available")
    raise invalid_value(
        "tool_choice", "it must be 'auto', 'none', 'required', a function or 'allowed_tools'"
    )


def _tool(part: ResponseTool, path: str) -> Tool:
    if part.type != "function":
        raise unsupported(
            f"{path}.type",
            f"the tool '{part.type[:40]}' is not available; this server calls no tools itself, send"
            " tools of type 'function'",
        )
    if part.name is None:
        raise missing(f"{path}.name")
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


def _allowed(mode: Any, listed: Sequence[Any], names: Collection[str]) -> Choice:
    if mode not in ("auto", "required"):
        raise invalid_value("tool_choice.mode", "it must be 'auto' or 'required'")
    if not listed:
        raise invalid_value("tool_choice.tools", "it must name at least one tool")
    allowed = []
    for index, tool in enumerate(listed):
        path = f"tool_choice.tools[{index}]"
        if not isinstance(tool, dict) or tool.get("type") != "function":
            raise invalid_value(f"{path}.type", "only tools of type 'function' are available")
        allowed.append(_known(tool.get("name"), f"{path}.name", names))
    return mode, tuple(dict.fromkeys(allowed))


def _known(name: Any, path: str, names: Collection[str]) -> str:
    if isinstance(name, str) and name in names:
        return name
    raise invalid_value(path, f"{str(name)[:64]!r} is not the name of one of the 'tools'")
