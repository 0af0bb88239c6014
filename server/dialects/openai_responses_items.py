"""The items of a Responses request -> core messages, every result matched to its call.

Knows nothing of the request around them, nor which of them an earlier response kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

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
from server.dialects.openai_chat_messages import MEDIA, check_function_name
from server.dialects.openai_responses_body import InputItem, ItemContent, ItemPart
from server.dialects.pictures import picture, user_message
from server.dialects.refusals import invalid_value, missing, unsupported, unsupported_content

# Messages of the model that are said before a call, and those that are its answer.
COMMENTARY = "commentary"
FINAL = "final_answer"

# Some clients send back what a reasoning item has as `encrypted_content`, and not its text. Here it
# is no secret from them: it is that text, behind a mark that tells it from others' ciphertext.
SEAL = "reasoning_text:"

_TEXTS = frozenset({"input_text", "output_text", "text", "reasoning_text"})


def to_messages(
    history: Sequence[InputItem], items: Sequence[InputItem], *, vision: bool = False
) -> tuple[Message, ...]:
    """Core messages in order, those of `history` first; pictures are for models with `vision`.
    Errors: ServerError invalid, `param` naming the item.
    """
    transcript = _Transcript(vision)
    messages: list[Message] = []
    for path, item in _placed(history, items):
        messages += transcript.read(item, path)
    return (*messages, *transcript.flush())


def _placed(
    history: Sequence[InputItem], items: Sequence[InputItem]
) -> Iterator[tuple[str, InputItem]]:
    yield from (("previous_response_id", item) for item in history)
    yield from ((f"input[{index}]", item) for index, item in enumerate(items))


@dataclass(slots=True)
class _Turn:
    """What the model said so far in one go: it reasons, says something, then calls."""

    reasoning: list[str] = field(default_factory=list)
    text: str | None = None
    commentary: bool = False
    calls: list[ToolCall] = field(default_factory=list)

    def takes_reasoning(self) -> bool:
        """After what it said to the user before a call, it may go on thinking about that call."""
        return not self.calls and (self.text is None or self.commentary)

    def takes_text(self) -> bool:
        return not self.calls and self.text is None

    def message(self) -> AssistantMessage | None:
        """Nothing where there was no more than reasoning without its text."""
        reasoning = "\n".join(self.reasoning) or None
        if reasoning is None and self.text is None and not self.calls:
            return None
        text = None if self.calls and not self.text else self.text
        return AssistantMessage(text=text, reasoning=reasoning, tool_calls=tuple(self.calls))


class _Transcript:
    """Puts the model's items together to messages, and remembers which call has which function."""

    def __init__(self, vision: bool) -> None:
        self._names: dict[str, str] = {}
        self._turn = _Turn()
        self._vision = vision

    def read(self, item: InputItem, path: str) -> list[Message]:
        """The messages that this item completes, and its own where it is one."""
        match item.type:
            case "message":
                return self._message(item, path)
            case "reasoning":
                return self._reasoning(item, path)
            case "function_call":
                return self._call(item, path)
            case "function_call_output":
                return [*self.flush(), self._result(item, path)]
        raise unsupported(
            f"{path}.type",
            f"items of type '{item.type[:40]}' are not available; send messages, reasoning,"
            " function_call and function_call_output",
        )

    def flush(self) -> list[Message]:
        """The message that the model's items so far make, if any."""
        turn, self._turn = self._turn, _Turn()
        message = turn.message()
        return [] if message is None else [message]

    def _message(self, item: InputItem, path: str) -> list[Message]:
        role = (item.role or "").lower()
        if role == "user" and self._vision and isinstance(item.content, list):
            return [*self.flush(), user_message(_parts(item.content, f"{path}.content"))]
        text = _required_text(item.content, f"{path}.content")
        match role:
            case "system" | "developer":
                return [*self.flush(), Instructions(text=text)]
            case "user":
                return [*self.flush(), UserMessage(text=text)]
            case "assistant":
                done = [] if self._turn.takes_text() else self.flush()
                self._turn.text = text
                self._turn.commentary = item.phase == COMMENTARY
                return done
        raise invalid_value(
            f"{path}.role", "it must be one of 'developer', 'system', 'user' and 'assistant'"
        )

    def _reasoning(self, item: InputItem, path: str) -> list[Message]:
        """A summary is not what the model thought, and others' ciphertext cannot be read here."""
        done = [] if self._turn.takes_reasoning() else self.flush()
        text = _text(item.content, f"{path}.content")
        sealed = item.encrypted_content or ""
        if not text and sealed.startswith(SEAL):
            text = sealed.removeprefix(SEAL)
        if text:
            self._turn.reasoning.append(text)
        return done

    def _call(self, item: InputItem, path: str) -> list[Message]:
        if item.call_id is None:
            raise missing(f"{path}.call_id")
        if item.name is None:
            raise missing(f"{path}.name")
        check_function_name(item.name, f"{path}.name")
        self._names[item.call_id] = item.name
        call = ToolCall(id=item.call_id, name=item.name, arguments=arguments_text(item))
        self._turn.calls.append(call)
        return []

    def _result(self, item: InputItem, path: str) -> ToolResult:
        if item.call_id is None:
            raise missing(f"{path}.call_id")
        name = self._names.get(item.call_id)
        if name is None:
            raise invalid_value(f"{path}.call_id", "no earlier item made a call that this answers")
        text = _required_text(item.output, f"{path}.output")
        return ToolResult(call_id=item.call_id, name=name, text=text)


def arguments_text(item: InputItem) -> str:
    """The arguments of a call as JSON, also where they came as an object."""
    if isinstance(item.arguments, str):
        return item.arguments
    return msgspec.json.encode(item.arguments or {}).decode()


def _required_text(content: ItemContent, path: str) -> str:
    text = _text(content, path)
    if text is None:
        raise invalid_value(path, "it must be a string or a list of text parts")
    return text


def _text(content: ItemContent, path: str) -> str | None:
    """The text of an item; its parts are joined by line ends."""
    if content is None or isinstance(content, str):
        return content
    return "\n".join(_part_text(part, f"{path}[{index}]") for index, part in enumerate(content))


def _parts(content: Sequence[ItemPart], path: str) -> list[str | Image]:
    return [
        _picture(part, f"{path}[{index}]")
        if part.type == "input_image"
        else _part_text(part, f"{path}[{index}]")
        for index, part in enumerate(content)
    ]


def _picture(part: ItemPart, path: str) -> Image:
    """By its address: files are not kept here."""
    if part.image_url is None:
        raise missing(f"{path}.image_url")
    return picture(part.image_url, part.detail, path, f"{path}.image_url")


def _part_text(part: ItemPart, path: str) -> str:
    if part.type in MEDIA:
        raise unsupported_content(path, part.type, "input_text")
    if part.type not in _TEXTS and part.type != "refusal":
        raise invalid_value(f"{path}.type", "it must be 'input_text', 'output_text' or 'refusal'")
    text = part.refusal if part.type == "refusal" else part.text
    if text is None:
        field_name = "refusal" if part.type == "refusal" else "text"
        raise invalid_value(f"{path}.{field_name}", "it must be a string")
    return text
