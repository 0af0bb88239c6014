"""The messages of a chat completion request -> core messages, every tool result matched to its
call.

Knows nothing of the request around them.
"""

import re
from collections.abc import Sequence

import msgspec

from server.core.messages import (
    AssistantMessage,
    Image,
    Instructions,
    Message,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.dialects.openai_chat_body import CalledFunction, ChatMessage, Content, ContentPart
from server.dialects.pictures import picture, user_message
from server.dialects.refusals import invalid_value, missing, unsupported_content

# What the model's format can carry as a function's name.
FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}", re.ASCII)

# Types of content that are not text.
MEDIA = frozenset(
    {"image_url", "image", "input_image", "input_audio", "audio", "file", "input_file", "video_url"}
)


def to_messages(messages: Sequence[ChatMessage], *, vision: bool = False) -> tuple[Message, ...]:
    """Core messages in order; pictures are for models with `vision`. Errors: ServerError invalid,
    `param` naming the message.
    """
    if not messages:
        raise invalid_value("messages", "send at least one message")
    transcript = _Transcript(vision)
    return tuple(
        transcript.read(message, f"messages[{index}]") for index, message in enumerate(messages)
    )


def check_function_name(name: str, param: str) -> None:
    if not FUNCTION_NAME.fullmatch(name):
        raise invalid_value(
            param, "a function's name is 1 to 64 of a-z, A-Z, 0-9, '_', '-' and '.'"
        )


class _Transcript:
    """What earlier messages said that later ones refer to: which call has which function."""

    def __init__(self, vision: bool) -> None:
        self._names: dict[str, str] = {}
        self._vision = vision

    def read(self, message: ChatMessage, path: str) -> Message:
        match message.role.lower():
            case "system" | "developer":
                return Instructions(text=_required_text(message.content, path))
            case "user":
                return self._user(message.content, path)
            case "assistant":
                return self._assistant(message, path)
            case "tool":
                return self._tool_result(message, path)
            case "function":
                return self._function_result(message, path)
        raise invalid_value(
            f"{path}.role",
            "it must be one of 'developer', 'system', 'user', 'assistant', 'tool' and 'function'",
        )

    def _user(self, content: Content, path: str) -> UserMessage:
        if not self._vision or not isinstance(content, list):
            return UserMessage(text=_required_text(content, path))
        parts = [
            _picture(part, f"{path}.content[{index}]")
            if part.type == "image_url"
            else _part_text(part, f"{path}.content[{index}]")
            for index, part in enumerate(content)
        ]
        return user_message(parts)

    def _assistant(self, message: ChatMessage, path: str) -> AssistantMessage:
        text = _text(message.content, path)
        if text is None:
            text = message.refusal
        calls = tuple(self._calls(message, path))
        if calls and not text:
            text = None
        reasoning = message.reasoning or message.reasoning_content or message.thinking or None
        if text is None and reasoning is None and not calls:
            raise invalid_value(
                f"{path}.content", "an assistant's message needs content or tool calls"
            )
        return AssistantMessage(text=text, reasoning=reasoning, tool_calls=calls)

    def _calls(self, message: ChatMessage, path: str) -> list[ToolCall]:
        calls = []
        for index, call in enumerate(message.tool_calls or ()):
            at = f"{path}.tool_calls[{index}]"
            if call.type != "function":
                raise invalid_value(f"{at}.type", "only tools of type 'function' are available")
            calls.append(self._call(call.id, call.function, f"{at}.function"))
        if message.function_call is not None:
            legacy_id = _legacy_id(message.function_call.name)
            calls.append(self._call(legacy_id, message.function_call, f"{path}.function_call"))
        return calls

    def _call(self, call_id: str, function: CalledFunction, path: str) -> ToolCall:
        check_function_name(function.name, f"{path}.name")
        self._names[call_id] = function.name
        return ToolCall(id=call_id, name=function.name, arguments=_arguments(function))

    def _tool_result(self, message: ChatMessage, path: str) -> ToolResult:
        call_id = message.tool_call_id
        if call_id is None:
            raise missing(f"{path}.tool_call_id")
        return self._result(message, call_id, path, "tool_call_id")

    def _function_result(self, message: ChatMessage, path: str) -> ToolResult:
        return self._result(message, _legacy_id(message.name or ""), path, "name")

    def _result(self, message: ChatMessage, call_id: str, path: str, field: str) -> ToolResult:
        name = self._names.get(call_id)
        if name is None:
            raise invalid_value(
                f"{path}.{field}", "no earlier assistant message made a call that this answers"
            )
        return ToolResult(call_id=call_id, name=name, text=_required_text(message.content, path))


def _legacy_id(name: str) -> str:
    """Legacy function calls have no id: the name stands for it."""
    return f"function_call {name}"


def _arguments(function: CalledFunction) -> str:
    if isinstance(function.arguments, str):
        return function.arguments
    return msgspec.json.encode(function.arguments or {}).decode()


def _required_text(content: Content, path: str) -> str:
    text = _text(content, path)
    if text is None:
        raise invalid_value(f"{path}.content", "it must be a string or a list of text parts")
    return text


def _text(content: Content, path: str) -> str | None:
    """The text of a message; its parts are joined by line ends."""
    if content is None or isinstance(content, str):
        return content
    return "\n".join(
        _part_text(part, f"{path}.content[{index}]") for index, part in enumerate(content)
    )


def _picture(part: ContentPart, path: str) -> Image:
    given, at = part.image_url, f"{path}.image_url"
    if isinstance(given, str):
        return picture(given, None, path, at)
    if given is None or given.url is None:
        raise missing(f"{at}.url")
    return picture(given.url, given.detail, path, f"{at}.url")


def _part_text(part: ContentPart, path: str) -> str:
    if part.type in MEDIA:
        raise unsupported_content(path, part.type, "text")
    if part.type not in ("text", "refusal"):
        raise invalid_value(f"{path}.type", "it must be 'text' or 'refusal'")
    text = part.text if part.type == "text" else part.refusal
    if text is None:
        raise invalid_value(f"{path}.{part.type}", "it must be a string")
    return text
