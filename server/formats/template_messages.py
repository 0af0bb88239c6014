"""A conversation in the words that chat templates know, those of transformers: plain dictionaries,
every text of a client sealed.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from typing import Any

from server.core.messages import (
    AssistantMessage,
    Conversation,
    Instructions,
    Message,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.formats.seal import Seal

_ABSENT_CONTENT = re.compile(r"(?<!_)content\W{0,4}\s*is (not )?none")
_SHORT_ID = re.compile(r"length\s*[!=]=\s*9")
SHORT_ID = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What a template wants otherwise than others: None where a message has no text, ids of calls
    with nine characters, another name for reasoning, arguments as text and not as an object, no two
    messages of one role in turn, no system message.
    """

    null_content: bool = False
    short_ids: bool = False
    reasoning: str = "reasoning_content"
    text_arguments: bool = False
    joined: bool = False
    no_system: bool = False


def habits_of(source: str) -> Habits:
    """What a template's text tells of its habits."""
    is_usual = "reasoning_content" in source or "thinking" not in source
    return Habits(
        reasoning="reasoning_content" if is_usual else "thinking",
        null_content=_ABSENT_CONTENT.search(source) is not None,
        short_ids=_SHORT_ID.search(source) is not None,
    )


class TemplateMessages:
    """Writes conversations for one template."""

    def __init__(self, seal: Seal, habits: Habits) -> None:
        self._seal = seal
        self._habits = habits

    def messages(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """All system and developer texts are one message before all others, as templates want."""
        instructions = [m.text for m in messages if isinstance(m, Instructions) and m.text]
        turns: list[Message] = [m for m in messages if not isinstance(m, Instructions)]
        if instructions and self._habits.no_system:
            turns = [UserMessage(text="\n\n".join(instructions)), *turns]
            instructions = []
        if self._habits.joined:
            turns = [joined for _, group in groupby(turns, type) for joined in _joined(list(group))]
        first = next((i for i, m in enumerate(turns) if isinstance(m, UserMessage)), -1)
        written = [self._message(m, first=i == first) for i, m in enumerate(turns)]
        if not instructions:
            return written
        system = {"role": "system", "content": self._seal.text("\n\n".join(instructions))}
        return [system, *written]

    def tools(self, conversation: Conversation) -> list[dict[str, Any]] | None:
        """The tools that the model sees; None without any."""
        if conversation.tool_choice == "none" or not conversation.tools:
            return None
        return [self._tool(tool) for tool in conversation.tools]

    def _message(self, message: Message, *, first: bool) -> dict[str, Any]:
        seal = self._seal
        match message:
            case UserMessage(text=text):
                return {"role": "user", "content": seal.first(text) if first else seal.text(text)}
            case AssistantMessage():
                return self._answer(message)
            case ToolResult():
                return {
                    "role": "tool",
                    "name": seal.text(message.name),
                    "tool_call_id": self._id(message.call_id),
                    "content": seal.text(message.text),
                }
            case Instructions(text=text):
                return {"role": "system", "content": seal.text(text)}

    def _answer(self, message: AssistantMessage) -> dict[str, Any]:
        absent = None if self._habits.null_content and message.tool_calls else ""
        text = self._seal.text(message.text) if message.text else absent
        written: dict[str, Any] = {"role": "assistant", "content": text}
        if message.reasoning:
            written[self._habits.reasoning] = self._seal.text(message.reasoning)
        if message.tool_calls:
            written["tool_calls"] = [self._call(call) for call in message.tool_calls]
        return written

    def _call(self, call: ToolCall) -> dict[str, Any]:
        function = {"name": self._seal.text(call.name), "arguments": self._arguments(call)}
        return {"id": self._id(call.id), "type": "function", "function": function}

    def _arguments(self, call: ToolCall) -> Any:
        if not self._habits.text_arguments:
            try:
                value = json.loads(call.arguments)
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                return self._seal.value(value)
        return self._seal.text(call.arguments)

    def _id(self, text: str) -> str:
        is_short = len(text) == SHORT_ID and text.isascii() and text.isalnum()
        if is_short or not self._habits.short_ids:
            return self._seal.text(text)
        return sha256(text.encode("utf-8", "replace")).hexdigest()[:SHORT_ID]

    def _tool(self, tool: Tool) -> dict[str, Any]:
        parameters = {"type": "object", "properties": {}}
        function = {
            "name": self._seal.text(tool.name),
            "description": self._seal.text(tool.description or ""),
            "parameters": self._seal.value(
                parameters if tool.parameters is None else tool.parameters
            ),
        }
        return {"type": "function", "function": function}


def _joined(group: list[Message]) -> list[Message]:
    """Neighbours of one role as one message, a blank line between; calls stay apart."""
    first = group[0]
    if len(group) == 1:
        return group
    if isinstance(first, UserMessage):
        texts = [message.text for message in group if isinstance(message, UserMessage)]
        return [UserMessage(text="\n\n".join(texts))]
    answers = [message for message in group if isinstance(message, AssistantMessage)]
    if not answers or any(message.tool_calls for message in answers):
        return group
    return [AssistantMessage(text="\n\n".join(message.text or "" for message in answers))]
