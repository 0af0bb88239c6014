"""OpenAI's own renderer of harmony, and what it made of the corpus.

`python -m tests.formats.oracle` writes the golden files anew.
"""

import json
import os
from collections.abc import Iterable, Iterator

import openai_harmony as oh

from server.core.messages import (
    AssistantMessage,
    Conversation,
    Instructions,
    Message,
    Tool,
    ToolResult,
    UserMessage,
)
from tests.formats.corpus import CONVERSATIONS, TOOL_SETS
from tests.formats.vocabularies import DATA, ROOT

DATE = "2026-11-20"
GOLDEN = ROOT / "tests" / "golden"
TOOLS_FILE = GOLDEN / "harmony_tools.json"
PROMPTS_FILE = GOLDEN / "harmony_prompts.json"


def tools_text(harmony: oh.HarmonyEncoding, tools: Iterable[Tool]) -> str:
    """The tools section."""
    content = oh.DeveloperContent.new().with_function_tools(list(map(_tool, tools)))
    message = oh.Message.from_role_and_content(oh.Role.DEVELOPER, content)
    text = harmony.decode(harmony.render(message))
    return text.removeprefix("<|start|>developer<|message|>").removesuffix("<|end|>")


def prompt_ids(
    harmony: oh.HarmonyEncoding, conversation: Conversation, effort: oh.ReasoningEffort
) -> list[int]:
    return harmony.render_conversation_for_completion(
        oh.Conversation.from_messages(list(_messages(conversation, effort))),
        oh.Role.ASSISTANT,
        oh.RenderConversationConfig(auto_drop_analysis=False),
    )


def _tool(tool: Tool) -> oh.ToolDescription:
    parameters = None if tool.parameters is None else dict(tool.parameters)
    return oh.ToolDescription.new(tool.name, tool.description or "", parameters)


def _messages(conversation: Conversation, effort: oh.ReasoningEffort) -> Iterator[oh.Message]:
    system = oh.SystemContent.new().with_conversation_start_date(DATE).with_reasoning_effort(effort)
    yield oh.Message.from_role_and_content(oh.Role.SYSTEM, system)
    texts = [m.text for m in conversation.messages if isinstance(m, Instructions) and m.text]
    tools = [] if conversation.tool_choice == "none" else list(map(_tool, conversation.tools))
    developer = oh.DeveloperContent.new()
    if texts:
        developer = developer.with_instructions("\n\n".join(texts))
    if tools:
        developer = developer.with_function_tools(tools)
    if texts or tools:
        yield oh.Message.from_role_and_content(oh.Role.DEVELOPER, developer)
    turns = [turn for message in conversation.messages for turn in _turns(message)]
    channels = [turn.channel for turn in turns]
    for index, turn in enumerate(turns):
        if turn.channel != "analysis" or "final" not in channels[index:]:
            yield turn


def _turns(message: Message) -> Iterator[oh.Message]:
    match message:
        case UserMessage(text=text):
            yield oh.Message.from_role_and_content(oh.Role.USER, text)
        case ToolResult(name=name, text=text):
            author = oh.Author.new(oh.Role.TOOL, f"functions.{name}")
            result = oh.Message.from_author_and_content(author, text)
            yield result.with_channel("commentary").with_recipient("assistant")
        case AssistantMessage():
            yield from _answer(message)


def _answer(message: AssistantMessage) -> Iterator[oh.Message]:
    def said(text: str, channel: str) -> oh.Message:
        return oh.Message.from_role_and_content(oh.Role.ASSISTANT, text).with_channel(channel)

    if message.reasoning:
        yield said(message.reasoning, "analysis")
    if message.text and message.tool_calls:
        yield said(message.text, "commentary")
    elif message.text is not None and not message.tool_calls:
        yield said(message.text, "final")
    for call in message.tool_calls:
        told = said(call.arguments, "commentary").with_recipient(f"functions.{call.name}")
        yield told.with_content_type("<|constrain|>json")


def write_golden_files() -> None:
    os.environ["TIKTOKEN_ENCODINGS_BASE"] = str(DATA)
    harmony = oh.load_harmony_encoding("HarmonyGptOss")
    tools = {name: tools_text(harmony, tools) for name, tools in TOOL_SETS.items()}
    prompts = {
        name: harmony.decode(prompt_ids(harmony, conversation, oh.ReasoningEffort.MEDIUM))
        for name, conversation in CONVERSATIONS.items()
        if name != "text: long"
    }
    for path, golden in ((TOOLS_FILE, tools), (PROMPTS_FILE, prompts)):
        path.write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    write_golden_files()
