"""What holds of every answer, whatever the request asks for and whatever the model would write."""

import asyncio
import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.core.events import Answer
from server.core.messages import AssistantMessage, Conversation, Tool, UserMessage
from server.core.request import GenerationRequest, GrammarOutput, JsonOutput
from tests.engines.models import limits
from tests.engines.scripted_session import ScriptedSession, answer_of
from tests.formats.answers import MALFORMED, NOT_OFFERED, WELL_FORMED
from tests.formats.vocabularies import tiny_vocabulary

VALUES = ('{"a": "b c"}', "{}", '{"a": 1, "b": [2]}')
TOOLS = (
    Tool(name="get_weather", parameters={"type": "object"}, strict=True),
    Tool(name="do.it-now_2", parameters={"type": "object"}),
    Tool(name="get"),
)
MARKERS = ["start", "message", "channel", "constrain", "end", "return", "call", "endoftext"]
WORDS = [
    "analysis",
    "commentary",
    "final",
    "assistant",
    " to=functions.get",
    " ",
    "json",
    "{}",
    "é",
]
PHRASES = st.sampled_from(
    [f"<|{name}|>" for name in MARKERS]
    + WORDS
    + [text for text, _ in (*WELL_FORMED.values(), *MALFORMED.values()) if len(text) < 400]
    + NOT_OFFERED
    + ["Hm. " * 40, "<|channel|>analysis<|message|>" + "Hm. " * 60]
)
SCRIPTS = st.lists(st.lists(PHRASES, max_size=6).map("".join), max_size=4)


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    tools = tuple(draw(st.lists(st.sampled_from(TOOLS), unique_by=lambda tool: tool.name)))
    names = [tool.name for tool in tools]
    choices = ["auto", "none", "required"] if tools else ["auto", "none"]
    is_begun = draw(st.booleans()) and draw(st.booleans())
    messages: tuple[Any, ...] = (UserMessage(text="Hi"),)
    if is_begun:
        messages = (*messages, AssistantMessage(text="Once"))
        choices = ["auto", "none"]
    output = st.sampled_from([None, JsonOutput(), GrammarOutput(text='root ::= "a"')])
    conversation = Conversation(
        messages=messages,
        tools=tools,
        tool_choice=draw(st.sampled_from(choices)),
        callable_tools=tuple(draw(st.lists(st.sampled_from(names), unique=True)) if names else ()),
    )
    return GenerationRequest(
        id="any",
        prompt=conversation,
        output=None if is_begun else draw(output),
        effort=draw(st.sampled_from([None, "low"])),
        max_tokens=draw(st.none() | st.integers(1, 30)),
        min_tokens=draw(st.sampled_from([0, 0, 1])),
        reasoning_budget=draw(st.sampled_from([None, 0, 8, 30])),
        stop=draw(st.sampled_from([(), ("m",), ("Hi", "a")])),
    )


def check_calls(request: GenerationRequest, answer: Answer) -> None:
    conversation = request.conversation
    offered = {tool.name: tool for tool in conversation.offered}
    assert len(answer.tool_calls) <= 1
    for call in answer.tool_calls:
        assert call.name in offered
        must = conversation.tool_choice == "required" or offered[call.name].strict
        if must and answer.finished.reason == "tool_calls":
            assert call.arguments in VALUES
    if conversation.tool_choice == "required":
        assert answer.tool_calls
        assert answer.text is None


def check_text(request: GenerationRequest, answer: Answer) -> None:
    finished = answer.finished
    texts = [answer.text, answer.preamble, *(call.arguments for call in answer.tool_calls)]
    visible = "".join(text for text in texts if text)
    assert visible or finished.warning or answer.tool_calls
    assert not set("<|>") & set(visible + (answer.reasoning or ""))
    count = len(tiny_vocabulary().encode(visible))
    if request.max_tokens is not None:
        assert count <= request.max_tokens + len(texts)
    if isinstance(request.output, JsonOutput) and finished.reason == "stop":
        assert answer.text in VALUES
        assert json.loads(answer.text) is not None
    if finished.reason == "length":
        # A text that never becomes an answer never has the least length of one.
        default = request.max_tokens is None and count >= limits().max_tokens
        assert request.max_tokens or default or request.min_tokens or not visible


PLAIN = GenerationRequest(
    id="any", prompt=Conversation(messages=(UserMessage(text="Hi"),), tools=())
)


@example(request=PLAIN, texts=["Hm. " * 80], value="{}")
@given(request=requests(), texts=SCRIPTS, value=st.sampled_from(VALUES))
@settings(max_examples=300, deadline=None)
def test_every_answer_is_one(request: GenerationRequest, texts: list[str], value: str) -> None:
    session = ScriptedSession(*texts, values=[value])
    answer = asyncio.run(answer_of(session, request))
    assert len(session.submitted) <= 4
    check_calls(request, answer)
    check_text(request, answer)
    if request.reasoning_budget is not None and request.output is not None:
        assert answer.finished.usage.reasoning_tokens <= request.reasoning_budget
    if not answer.finished.warning:
        assert answer.text or answer.tool_calls or answer.preamble
