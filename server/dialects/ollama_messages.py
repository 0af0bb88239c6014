"""The messages and tools of an Ollama chat -> core messages and tools.

Ollama's calls often have no ids and its results no names: both are found by their order.
"""

from collections.abc import Sequence
from typing import Any

from server.core.messages import (
    AssistantMessage,
    Instructions,
    Message,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.dialects.arguments import arguments_text
from server.dialects.ollama_body import OllamaMessage, OllamaTool, OllamaToolCall
from server.dialects.ollama_errors import lacks, refused
from server.dialects.openai_chat_messages import check_function_name
from server.dialects.openai_chat_tools import MAX_TOOLS
from server.dialects.pictures import data_url, picture, user_message

# The function whose result it is, where nobody says.
UNNAMED_TOOL = "tool"
ROLES = "system, developer, user, assistant, or tool"


def to_messages(
    messages: Sequence[OllamaMessage],
    model: str,
    tools: Sequence[Tool] = (),
    *,
    vision: bool = False,
) -> tuple[Message, ...]:
    """Core messages in order; `tools` are those that are offered now, pictures are for models with
    `vision`. Errors: ServerError invalid.
    """
    transcript = _Transcript(model, tools, vision)
    return tuple(
        transcript.read(message, f"messages[{index}]") for index, message in enumerate(messages)
    )


def to_tools(parts: Sequence[OllamaTool] | None) -> tuple[Tool, ...]:
    """The tools in order. Errors: ServerError invalid."""
    if len(parts or ()) > MAX_TOOLS:
        raise refused(f"more than {MAX_TOOLS} tools", "tools")
    tools: dict[str, Tool] = {}
    for index, part in enumerate(parts or ()):
        path, function = f"tools[{index}]", part.function
        if part.type not in (None, "", "function"):
            raise refused(f"invalid {path}.type: it must be 'function'", f"{path}.type")
        check_function_name(function.name, f"{path}.function.name")
        if function.name in tools:
            raise refused(f"two tools have the name '{function.name}'", f"{path}.function.name")
        parameters = function.parameters or None
        if parameters and parameters.get("type", "object") != "object":
            param = f"{path}.function.parameters"
            raise refused(f"invalid {param}: it must be a JSON schema of type 'object'", param)
        tools[function.name] = Tool(
            name=function.name,
            description=function.description,
            parameters=parameters,
            path=f"{path}.function",
        )
    return tuple(tools.values())


def with_pictures(text: str, images: Sequence[Any], path: str) -> UserMessage:
    """What a user says, after the pictures in base64 that come with it. Errors: ServerError
    invalid.
    """
    pictures = []
    for index, image in enumerate(images):
        at = f"{path}[{index}]"
        if not isinstance(image, str):
            raise refused(f"invalid {at}: it must be a picture in base64", at)
        pictures.append(picture(data_url(image), None, at, at))
    return user_message([*pictures, text])


class _Transcript:
    """The calls of earlier messages, by id, and those that no result has answered, in order."""

    def __init__(self, model: str, tools: Sequence[Tool], vision: bool) -> None:
        self._model = model
        self._offered = [tool.name for tool in tools]
        self._vision = vision
        self._names: dict[str, str] = {}
        self._open: list[str] = []

    def read(self, message: OllamaMessage, path: str) -> Message:
        text, role = message.content or "", message.role.lower()
        if message.images and not (self._vision and role == "user"):
            raise lacks(self._model, "vision", f"{path}.images")
        match role:
            case "system" | "developer":
                return Instructions(text=text)
            case "user":
                return with_pictures(text, message.images or (), f"{path}.images")
            case "assistant":
                return self._assistant(message, path)
            case "tool":
                return self._result(message, path)
        raise refused(
            f"invalid role {message.role[:40]!r} in {path}: it must be one of {ROLES}",
            f"{path}.role",
        )

    def _assistant(self, message: OllamaMessage, path: str) -> AssistantMessage:
        calls = tuple(
            self._call(call, f"{path}.tool_calls[{index}]")
            for index, call in enumerate(message.tool_calls or ())
        )
        text = message.content or ""
        return AssistantMessage(
            text=None if calls and not text else text,
            reasoning=message.thinking or None,
            tool_calls=calls,
        )

    def _call(self, call: OllamaToolCall, path: str) -> ToolCall:
        name = call.function.name
        check_function_name(name, f"{path}.function.name")
        call_id = call.id or f"call_{len(self._names)}"
        self._names[call_id] = name
        self._open.append(call_id)
        arguments = call.function.arguments
        if not isinstance(arguments, str):
            arguments = arguments_text(arguments or {})
        return ToolCall(id=call_id, name=name, arguments=arguments)

    def _result(self, message: OllamaMessage, path: str) -> ToolResult:
        text = message.content or ""
        call_id = self._answered(message)
        if call_id is None:
            # LiteLLM leaves calls out, and Ollama does not mind.
            return ToolResult(call_id="", name=self._guessed(message, path), text=text)
        if call_id in self._open:
            self._open.remove(call_id)
        return ToolResult(call_id=call_id, name=self._names[call_id], text=text)

    def _guessed(self, message: OllamaMessage, path: str) -> str:
        """The function that a result without a call is of."""
        named = message.tool_name or message.name
        if named:
            check_function_name(named, f"{path}.tool_name")
            return named
        return self._offered[0] if len(self._offered) == 1 else UNNAMED_TOOL

    def _answered(self, message: OllamaMessage) -> str | None:
        """The call that a result answers: by its id, else the first open one of its name, else the
        first open one.
        """
        if message.tool_call_id in self._names:
            return message.tool_call_id
        name = message.tool_name or message.name
        fitting = [each for each in self._open if name in (None, "", self._names[each])]
        return fitting[0] if fitting else None
