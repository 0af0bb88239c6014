"""A conversation as the token ids of a harmony prompt, ending where the assistant is to speak.

Knows the order and the headers of messages; all that comes from the client is ordinary text and
can never be markup.
"""

from collections.abc import Callable
from datetime import date

from server.core.messages import (
    AssistantMessage,
    Conversation,
    Instructions,
    Message,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.core.request import Effort, GenerationRequest, JsonOutput
from server.formats.harmony_markers import Markers
from server.formats.harmony_tools import formats_section, tools_section
from server.formats.vocabulary import Vocabulary

IDENTITY = "You are ChatGPT, a large language model trained by OpenAI."
KNOWLEDGE_CUTOFF = "2024-06"
CHANNELS = (
    "# Valid channels: analysis, commentary, final. Channel must be included for every message."
)
CALLS = "Calls to these tools must go to the commentary channel: 'functions'."

Clock = Callable[[], date]


class HarmonyPrompt:
    """Renders conversations. `clock` gives today's date in UTC, which the system message tells."""

    def __init__(self, vocabulary: Vocabulary, markers: Markers, clock: Clock) -> None:
        self._encode = vocabulary.encode
        self._markers = markers
        self._clock = clock

    def head(self, request: GenerationRequest, effort: Effort) -> list[int]:
        """The ids of the system and the developer message: what all turns begin with.

        The client's system and developer texts, wherever they stand, are joined in order (a blank
        line between) into the one developer message that the model knows, before all turns.
        Errors: ServerError invalid.
        """
        conversation = request.conversation
        tools = conversation.tools if conversation.tool_choice != "none" else ()
        texts = [m.text for m in conversation.messages if isinstance(m, Instructions) and m.text]
        sections = ["# Instructions", *texts] if texts else []
        if tools:
            sections.append(tools_section(tools))
        if isinstance(request.output, JsonOutput) and request.output.schema is not None:
            sections.append(formats_section(request.output))
        developer = self._message("developer", "\n\n".join(sections)) if sections else []
        return self._system(effort, bool(tools)) + developer

    def turns(self, conversation: Conversation) -> list[int]:
        """The ids of what was said, to where the assistant is to speak: after its header, or after
        the beginning of its answer. Reasoning is kept after the last finished answer only, as in
        the model's training.
        """
        begun = conversation.begun
        messages = conversation.messages if begun is None else conversation.messages[:-1]
        ids: list[int] = []
        finished = last_final(messages)
        for index, message in enumerate(messages):
            ids += self._turn(message, keep_reasoning=index > finished)
        if begun is not None:
            return ids + self._begun(conversation.messages[-1])
        return [*ids, self._markers.start, *self._encode("assistant")]

    def _system(self, effort: Effort, has_tools: bool) -> list[int]:
        lines = [
            IDENTITY,
            f"Knowledge cutoff: {KNOWLEDGE_CUTOFF}",
            f"Current date: {self._clock():%Y-%m-%d}\n",
            f"Reasoning: {effort}\n",
            CHANNELS,
        ]
        return self._message("system", "\n".join([*lines, CALLS] if has_tools else lines))

    def _turn(self, message: Message, *, keep_reasoning: bool) -> list[int]:
        match message:
            case Instructions():
                return []
            case UserMessage(text=text):
                return self._message("user", text)
            case ToolResult():
                return self._result(message)
            case AssistantMessage():
                return self._answer(message, keep_reasoning)

    def _answer(self, message: AssistantMessage, keep_reasoning: bool) -> list[int]:
        """Text beside calls is a preamble; without calls it is the final answer."""
        ids: list[int] = []
        if message.reasoning and keep_reasoning:
            ids += self._message("assistant", message.reasoning, "analysis")
        if is_final(message):
            ids += self._message("assistant", message.text or "", "final")
        elif message.text:
            ids += self._message("assistant", message.text, "commentary")
        for call in message.tool_calls:
            ids += self._call(call)
        return ids

    def _begun(self, message: Message) -> list[int]:
        """An answer without its end."""
        assert isinstance(message, AssistantMessage)
        return self._answer(message, keep_reasoning=True)[:-1]

    def _message(self, role: str, text: str, channel: str | None = None) -> list[int]:
        ids = [self._markers.start, *self._encode(role)]
        if channel is not None:
            ids += [self._markers.channel, *self._encode(channel)]
        return [*ids, self._markers.message, *self._encode(text), self._markers.end]

    def _call(self, call: ToolCall) -> list[int]:
        marks, encode = self._markers, self._encode
        return [
            *(marks.start, *encode("assistant"), *encode(f" to=functions.{call.name}")),
            *(marks.channel, *encode("commentary"), *encode(" "), marks.constrain),
            *(*encode("json"), marks.message, *encode(call.arguments), marks.call),
        ]

    def _result(self, result: ToolResult) -> list[int]:
        marks, encode = self._markers, self._encode
        return [
            *(marks.start, *encode(f"functions.{result.name}"), *encode(" to=assistant")),
            *(marks.channel, *encode("commentary")),
            *(marks.message, *encode(result.text), marks.end),
        ]


def is_final(message: Message) -> bool:
    """Whether this is a finished answer, after which earlier reasoning is forgotten."""
    return (
        isinstance(message, AssistantMessage)
        and message.text is not None
        and not message.tool_calls
    )


def last_final(messages: tuple[Message, ...]) -> int:
    """The index of the last finished answer, -1 without one."""
    return max((index for index, m in enumerate(messages) if is_final(m)), default=-1)
