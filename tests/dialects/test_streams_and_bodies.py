"""Whatever an engine says, in whatever pieces: a stream in Anthropic's or Ollama's dialect, of a
completion or of plain text, builds the same reply that a client would have got whole.
"""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.core.events import Event, Finished, FinishReason, PartKind
from server.dialects.base import Call
from tests.contracts import check_events
from tests.dialects import asking_anthropic, asking_ollama, asking_simple
from tests.dialects.anthropic_stream import built_message, events_of
from tests.dialects.asking_completions import completion
from tests.dialects.golden_chat import answer_of
from tests.fakes import STARTED, finished, part

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
SPOKEN: tuple[PartKind, ...] = ("reasoning", "preamble", "text")


@st.composite
def answers(draw: st.DrawFn) -> list[Event]:
    """The events of a whole answer: parts of all kinds in any order, each in any pieces."""
    events: list[Event] = [STARTED]
    called = False
    for index in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            kind = draw(st.sampled_from(SPOKEN))
            events += part(index, kind, *draw(st.lists(TEXT, max_size=3)))
        else:
            called = True
            arguments = json.dumps({"a": draw(TEXT)}, ensure_ascii=draw(st.booleans()))
            cut = draw(st.integers(1, len(arguments) - 1))
            pieces = (arguments[:cut], arguments[cut:])
            events += part(index, "tool_call", *pieces, call_id=f"call_{index}", name="f")
    reasons: list[FinishReason] = ["tool_calls", "length"] if called else ["stop", "length"]
    events.append(finished(draw(st.sampled_from(reasons))))
    check_events(events)
    return events


def streamed(call: Call, events: list[Event]) -> bytes:
    return b"".join(call.reply.frames(0, event) for event in events) + call.reply.end()


@given(answers(), st.booleans())
def test_messages(events: list[Event], thinks: bool):
    body = {"thinking": {"type": "adaptive"}} if thinks else {}
    call = asking_anthropic.call(body)
    whole = json.loads(call.reply.body([answer_of(events)]))
    assert built_message(events_of(streamed(call, events))) == whole
    kinds = {block["type"] for block in whole["content"]}
    assert kinds
    assert thinks or "thinking" not in kinds


@given(answers(), st.booleans(), st.sampled_from(["chat", "generate"]))
def test_lines(events: list[Event], thinks: bool, endpoint: str):
    call: Call = getattr(asking_ollama, endpoint)({"think": thinks})
    *lines, last = map(json.loads, streamed(call, events).decode().splitlines())
    whole = json.loads(call.reply.body([answer_of(events)]))
    said = said_of(whole)
    assert joined(lines, "content") == said.get("content", said.get("response"))
    assert joined(lines, "thinking") == said.get("thinking", "")
    calls = [each for line in lines for each in said_of(line).get("tool_calls", ())]
    assert calls == said.get("tool_calls", [])
    assert (last["done"], last["done_reason"]) == (True, whole["done_reason"])
    assert isinstance(events[-1], Finished)
    assert (last["done_reason"] == "length") == (events[-1].reason == "length")


@given(answers(), st.booleans(), st.integers(1, 3))
def test_completions(events: list[Event], echoes: bool, choices: int):
    call = completion({"n": choices}, echoes=("P",) if echoes else ())
    frames = [call.reply.frames(index, event) for event in events for index in range(choices)]
    *told, done, rest = (b"".join(frames) + call.reply.end()).split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    chunks = [json.loads(frame.removeprefix(b"data: "))["choices"][0] for frame in told]
    for whole in json.loads(call.reply.body([answer_of(events)] * choices))["choices"]:
        own = [chunk for chunk in chunks if chunk["index"] == whole["index"]]
        assert "".join(chunk["text"] for chunk in own) == whole["text"]
        assert own[-1]["finish_reason"] == whole["finish_reason"]
        assert whole["text"].startswith("P" * echoes)


@given(answers(), st.booleans())
def test_plain_text(events: list[Event], as_json: bool):
    call = asking_simple.call({"stream_format": "json" if as_json else "text"})
    *frames, done, rest = streamed(call, events).decode().split("\n\n")
    assert (done, rest) == ("data: [DONE]", "")
    whole = json.loads(call.reply.body([answer_of(events)]))
    data = [frame.removeprefix("data: ").replace("\ndata: ", "\n") for frame in frames]
    if as_json:
        *said, end = map(json.loads, data)
        assert "".join(each["response"] for each in said) == whole["response"]
        assert end == {"done": True, **{k: v for k, v in whole.items() if k != "response"}}
    else:
        # Other ends of lines become the one that the frames have.
        text = re.sub("\r\n?", "\n", "\n".join([whole["response"]]))
        assert re.sub("\r\n?", "\n", "".join(data)).replace("\n", "") == text.replace("\n", "")


def said_of(line: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = line.get("message", line)
    return said


def joined(lines: list[dict[str, Any]], field: str) -> str:
    other = "response" if field == "content" else field
    return "".join(said_of(line).get(field, said_of(line).get(other, "")) for line in lines)
