"""A conversation as the token ids that a model's chat template writes, ending where the assistant
is to speak. What comes from the client is ordinary text and can never be markup.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal, TypeAlias

from server.core.errors import ServerError
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
from server.core.request import Effort, GenerationRequest
from server.formats.base import Ids
from server.formats.chat_template import (
    ChatTemplate,
    TemplateExcess,
    TemplateFault,
    TemplateRefusal,
)
from server.formats.model_text import STRIPS_LEFT, STRIPS_RIGHT, ModelText
from server.formats.seal import FIRST, Piece, Seal, opened
from server.formats.tags import Tags
from server.formats.template_messages import Habits, TemplateMessages, habits_of
from server.formats.vocabulary import Vocabulary

# Where an answer begins: after a thought that is over or that there is none of, inside one, or
# before the model has decided.
Opening: TypeAlias = Literal["answer", "thought", "either"]
TOOL_USE = "tool_use"
# What templates ask to know whether the model is to think.
SWITCHES = frozenset({"enable_thinking", "thinking"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Token ids, and how many of them come before the first turn."""

    tokens: list[int]
    head: Ids


class TemplatePrompt:
    """Renders conversations. `today` is the date that a template may tell.

    Errors: ValueError for a template that is no Jinja or cannot write the simplest chat.
    """

    def __init__(
        self, vocabulary: Vocabulary, text: ModelText, tags: Tags, today: Callable[[], date]
    ) -> None:
        self._vocabulary = vocabulary
        self._text = text
        self._tags = tags
        self._templates = {
            name: ChatTemplate(source, today) for name, source in text.templates.items()
        }
        self._seal = Seal(vocabulary.specials)
        self._openings = {
            (thinks, after_tool): self._opening(thinks, after_tool)
            for thinks in (True, False)
            for after_tool in (True, False)
        }

    def render(self, request: GenerationRequest) -> Rendered:
        """The prompt of a request. Errors: ServerError invalid, in the template's words."""
        conversation = request.conversation
        try:
            values = _values(_thinks(request), request.effort)
            text = self._rendered(conversation, values)
        except TemplateRefusal as refusal:
            raise _refused(f"The model's chat template refuses the messages: {refusal}.") from None
        except TemplateFault as fault:
            raise _refused(
                f"The model's chat template cannot write these messages: {fault}."
            ) from None
        text += self._added(text, conversation, thinks=_thinks(request))
        return self._tokens(text)

    @property
    def may_choose(self) -> bool:
        """Whether the model thinks unless it is told not to."""
        return any("enable_thinking" in each.variables for each in self._templates.values())

    @property
    def _has_switch(self) -> bool:
        """Whether the template itself sees to it that the model does not think."""
        return any(SWITCHES & each.variables for each in self._templates.values())

    def opening(self, request: GenerationRequest) -> Opening:
        """Where the answer to this request begins."""
        if not _thinks(request):
            return "answer"
        messages = request.conversation.messages
        after_tool = bool(messages) and isinstance(messages[-1], ToolResult)
        return self._openings[True, after_tool]

    # --- text -------------------------------------------------------------------------------------

    def _rendered(self, conversation: Conversation, values: Mapping[str, Any]) -> str:
        """Sealed text, up to the assistant's turn. Templates differ in what they bear: what one
        fails at is put in other words, as long as it means the same.
        """
        begun = conversation.begun is not None
        messages = conversation.messages[:-1] if begun else conversation.messages
        template = self._template(conversation)
        first: TemplateFault | None = None
        for habits in _attempts(habits_of(template.source), messages):
            words = TemplateMessages(self._seal, habits)
            given = {
                "messages": words.messages(messages),
                "tools": words.tools(conversation),
                "bos_token": self._name(self._text.bos),
                "eos_token": self._name(self._text.eos),
                "add_generation_prompt": True,
                **values,
            }
            try:
                return template.render(given)
            except TemplateExcess:
                raise
            except TemplateFault as fault:
                first = first or fault
        assert first is not None
        raise first

    def _template(self, conversation: Conversation) -> ChatTemplate:
        if conversation.offered and TOOL_USE in self._templates:
            return self._templates[TOOL_USE]
        return self._templates.get("") or next(iter(self._templates.values()))

    def _added(self, text: str, conversation: Conversation, *, thinks: bool) -> str:
        """What closes a thought that is not to be, and the beginning of the answer."""
        last = conversation.messages[-1] if conversation.begun is not None else None
        begun = last if isinstance(last, AssistantMessage) else AssistantMessage()
        return self._closing(text, thinks, begun.reasoning) + self._seal.text(begun.text or "")

    def _closing(self, text: str, thinks: bool, thought: str | None) -> str:
        thinking = self._tags.thinking
        if thinking is None or thinks:
            return ""
        bare = text.rstrip()
        thought = f"{self._seal.text(thought)}\n" if thought else "\n"
        if bare.endswith(thinking.open):
            return f"{thought}{thinking.close}\n\n"
        if bare.endswith(thinking.close) or (self._has_switch and not thought.strip()):
            return ""
        return f"{thinking.open}\n{thought}{thinking.close}\n\n"

    def _opening(self, thinks: bool, after_tool: bool) -> Opening:
        """Tried out on the simplest chat. Errors: ValueError if that cannot be written."""
        thinking = self._tags.thinking
        try:
            text = self._rendered(_specimen(after_tool), _values(thinks, None)).rstrip()
        except TemplateFault as fault:
            if after_tool and not isinstance(fault, TemplateExcess):
                return self._opening(thinks, after_tool=False)
            raise ValueError(f"The model's chat template cannot write a chat: {fault}.") from None
        if thinking is None or not thinks or text.endswith(thinking.close):
            return "answer"
        return "thought" if text.endswith(thinking.open) else "either"

    # --- tokens -----------------------------------------------------------------------------------

    def _tokens(self, text: str) -> Rendered:
        tokens: list[int] = []
        head: Ids = ()
        pieces = list(self._seal.pieces(text))
        for index, piece in enumerate(pieces):
            if isinstance(piece, int):
                tokens.append(piece)
                continue
            if FIRST in piece and not head:
                head = (len(tokens),)
            tokens += self._vocabulary.encode(self._stripped(pieces, index, opened(piece)))
        if self._text.begins and tokens[:1] != [self._text.bos]:
            tokens.insert(0, self._text.bos)
            head = tuple(count + 1 for count in head)
        return Rendered(tokens=tokens, head=tuple(count for count in head if count))

    def _stripped(self, pieces: Sequence[Piece], index: int, text: str) -> str:
        """Text without the blanks that the tokens beside it take."""
        before = pieces[index - 1] if index else ""
        after = pieces[index + 1] if index + 1 < len(pieces) else ""
        if isinstance(before, int) and self._flags(before) & STRIPS_RIGHT:
            text = text.lstrip()
        if isinstance(after, int) and self._flags(after) & STRIPS_LEFT:
            text = text.rstrip()
        return text

    def _flags(self, token: int) -> int:
        return self._text.kinds[token] if token < len(self._text.kinds) else 0

    def _name(self, token: int) -> str:
        return self._vocabulary.bytes_of(token).decode("utf-8", "replace")


def _thinks(request: GenerationRequest) -> bool:
    return request.reasoning_budget != 0 and request.conversation.begun is None


def _values(thinks: bool, effort: Effort | None) -> dict[str, Any]:
    """What templates ask about thinking. Those that do not think unless told to (`thinking`) are
    told so by whoever names an effort.
    """
    values: dict[str, Any] = {"enable_thinking": thinks}
    if not thinks or effort is not None:
        values["thinking"] = thinks
    if effort is not None:
        values["reasoning_effort"] = effort
    return values


def _attempts(habits: Habits, messages: Sequence[Message]) -> Iterator[Habits]:
    """As it is usual first."""
    calls = any(isinstance(m, AssistantMessage) and m.tool_calls for m in messages)
    tries = [habits]
    if calls:
        tries.append(replace(habits, text_arguments=True))
        tries += [replace(each, null_content=not each.null_content) for each in tries]
    yield from tries
    for each in tries:
        yield replace(each, joined=True)
    if any(isinstance(m, Instructions) for m in messages):
        for each in tries:
            yield replace(each, joined=True, no_system=True)


def _specimen(after_tool: bool) -> Conversation:
    messages: tuple[Message, ...] = (UserMessage(text="Hi"),)
    if not after_tool:
        return Conversation(messages=messages)
    call = ToolCall(id="123456789", name="look", arguments="{}")
    messages += (
        AssistantMessage(tool_calls=(call,)),
        ToolResult(call_id=call.id, name=call.name, text="Nothing."),
    )
    return Conversation(messages=messages, tools=(Tool(name="look"),))


def _refused(message: str) -> ServerError:
    return ServerError("invalid", message, param="messages")
