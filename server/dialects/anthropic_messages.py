"""The system text and messages of a Messages request -> core messages, every tool result matched to
its call.

Knows nothing of the request around them.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import TypeVar

from server.core.errors import ServerError
from server.core.messages import (
    AssistantMessage,
    Image,
    Instructions,
    Message,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.dialects.anthropic_body import CountBody, MessageBlock, MessageTurn
from server.dialects.arguments import arguments_text
from server.dialects.openai_chat_messages import check_function_name
from server.dialects.pictures import data_url, picture, user_message
from server.dialects.refusals import invalid_value, missing

T = TypeVar("T")

Blocks = str | list[MessageBlock]
# Reasoning that only Anthropic could read, and whose text is not in the block.
_UNREADABLE = "redacted_thinking"


def to_messages(body: CountBody, *, vision: bool = False) -> tuple[Message, ...]:
    """Core messages in order; pictures are for models with `vision`. Errors: ServerError invalid,
    `param` naming the block.
    """
    if not body.messages:
        raise invalid_value("messages", "send at least one message")
    messages: list[Message] = []
    if body.system:
        messages.append(Instructions(text=_text(body.system, "system")))
    transcript = _Transcript(vision)
    for index, turn in enumerate(body.messages):
        messages += transcript.read(turn, f"messages[{index}]")
    return tuple(messages)


class _Transcript:
    """What earlier messages said that later ones refer to: which call has which function."""

    def __init__(self, vision: bool) -> None:
        self._names: dict[str, str] = {}
        self._vision = vision

    def read(self, turn: MessageTurn, path: str) -> Iterator[Message]:
        match turn.role:
            case "user":
                yield from self._user(turn.content, f"{path}.content")
            case "assistant":
                yield self._assistant(turn.content, f"{path}.content")
            case "system":
                yield Instructions(text=_text(turn.content, f"{path}.content"))
            case _:
                raise invalid_value(
                    f"{path}.role", "it must be one of 'user', 'assistant' and 'system'"
                )

    def _user(self, content: Blocks, path: str) -> Iterator[Message]:
        """Tool results are messages of their own; texts between them make one message."""
        if isinstance(content, str) or not content:
            yield UserMessage(text=_text(content, path))
            return
        blocks = [(block, f"{path}[{index}]") for index, block in enumerate(content)]
        for is_result, run in groupby(blocks, lambda pair: pair[0].type == "tool_result"):
            if is_result:
                yield from (self._result(block, at) for block, at in run)
            else:
                yield user_message([self._part(block, at) for block, at in run])

    def _part(self, block: MessageBlock, path: str) -> str | Image:
        if self._vision and block.type == "image":
            return _picture(block, path)
        return _block_text(block, path)

    def _result(self, block: MessageBlock, path: str) -> ToolResult:
        call_id = _given(block.tool_use_id, f"{path}.tool_use_id")
        name = self._names.get(call_id)
        if name is None:
            raise invalid_value(
                f"{path}.tool_use_id", "no earlier 'tool_use' block of the assistant has this id"
            )
        text = _text(block.content or "", f"{path}.content")
        if block.is_error:
            # The model's format has no other place for it.
            text = f"Error: {text}"
        return ToolResult(call_id=call_id, name=name, text=text)

    def _assistant(self, content: Blocks, path: str) -> AssistantMessage:
        if isinstance(content, str):
            return AssistantMessage(text=content)
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[ToolCall] = []
        for index, block in enumerate(content):
            at = f"{path}[{index}]"
            if block.type == "thinking":
                thoughts.append(_given(block.thinking, f"{at}.thinking"))
            elif block.type == "tool_use":
                calls.append(self._call(block, at))
            elif block.type != _UNREADABLE:
                texts.append(_block_text(block, at))
        text = "\n".join(texts) if texts or not calls else None
        return AssistantMessage(
            text=None if calls and not text else text,
            reasoning="\n".join(thoughts) or None,
            tool_calls=tuple(calls),
        )

    def _call(self, block: MessageBlock, path: str) -> ToolCall:
        call_id = _given(block.id, f"{path}.id")
        name = _given(block.name, f"{path}.name")
        check_function_name(name, f"{path}.name")
        self._names[call_id] = name
        return ToolCall(id=call_id, name=name, arguments=arguments_text(block.input or {}))


def _text(content: Blocks, path: str) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(_block_text(block, f"{path}[{i}]") for i, block in enumerate(content))


def _picture(block: MessageBlock, path: str) -> Image:
    at = f"{path}.source"
    source = _given(block.source, at)
    match source.type:
        case "url":
            return picture(_given(source.url, f"{at}.url"), None, path, f"{at}.url")
        case "base64":
            data = _given(source.data, f"{at}.data")
            return picture(data_url(data, source.media_type), None, path, f"{at}.data")
    raise invalid_value(f"{at}.type", "it must be 'base64' or 'url'")


def _block_text(block: MessageBlock, path: str) -> str:
    if block.type != "text":
        raise ServerError(
            "invalid",
            f"Unsupported content: '{path}' is of type {block.type[:40]!r}, which this model cannot"
            " read here; send blocks of type 'text'.",
            param=path,
            code="unsupported_content",
        )
    return _given(block.text, f"{path}.text")


def _given(value: T | None, path: str) -> T:
    if value is None:
        raise missing(path)
    return value
