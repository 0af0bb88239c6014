"""What a client said: messages and tools as plain values, in no API's dialect.

Knows nothing of HTTP, of harmony or of any wire format; already checked when it exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

JsonSchema: TypeAlias = Mapping[str, Any]
ToolChoice: TypeAlias = Literal["auto", "none", "required"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the client offers to the model.

    `parameters` is a JSON schema of type object; `None` means the function takes no arguments.
    `strict`: the arguments of every call satisfy it. `path` is where the client wrote it, for what
    is wrong with it.
    """

    name: str
    description: str | None = None
    parameters: JsonSchema | None = None
    strict: bool = False
    path: str = field(default="tools", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A function call made by the model; `arguments` is the text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Instructions:
    """A system or developer message: both have the same rank here."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """A picture: its address (https or a data URL), never its pixels. `detail` is what the client
    wished, if it did; `path` is where it wrote the picture, for what is wrong with it.
    """

    url: str
    detail: str | None = None
    path: str = field(default="messages", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    """`parts` is empty where there are no pictures; else all of it in order, and `text` the text in
    them. An engine whose model cannot see refuses the pictures.
    """

    text: str
    parts: tuple[str | Image, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMessage:
    """An earlier turn of the model. At least one of the three is present."""

    text: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What the client's function returned; `name` is the function whose call it answers."""

    call_id: str
    name: str
    text: str


Message: TypeAlias = Instructions | UserMessage | AssistantMessage | ToolResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPrompt:
    """What the model writes on after, as it stands: text, or the ids of tokens. With a `suffix` it
    writes what belongs between the two. `path` is where the client wrote it, for what is wrong with
    it.
    """

    content: str | tuple[int, ...]
    suffix: str = ""
    path: str = field(default="prompt", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Messages in order, oldest first, and the tools the model may call: with `callable_tools` only
    those of these names, though it sees all. `tool_choice` "required": it must call one.

    A last message of the assistant without tool calls is the beginning of the answer. `path` is
    where the client wrote the messages, for what is wrong with them.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    callable_tools: tuple[str, ...] = ()
    path: str = field(default="messages", compare=False)

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The tools that may be called."""
        if self.tool_choice == "none":
            return ()
        chosen = self.callable_tools
        return tuple(tool for tool in self.tools if not chosen or tool.name in chosen)

    @property
    def begun(self) -> str | None:
        """The beginning of the answer, where the last message is one."""
        last = self.messages[-1] if self.messages else None
        if isinstance(last, AssistantMessage) and not last.tool_calls:
            return last.text
        return None
