"""Folding a stream of events into one answer."""

from collections.abc import AsyncIterator

import pytest

from server.core.events import (
    Event,
    Finished,
    PartDelta,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    TokenLogprob,
    Usage,
    collect,
)
from server.core.messages import ToolCall

LIKELY = TokenLogprob(token=b"a", logprob=-0.1, top=((b"a", -0.1), (b"b", -3.0)))
END = Finished(reason="stop", usage=Usage(prompt_tokens=3, completion_tokens=4))


async def stream(*events: Event) -> AsyncIterator[Event]:
    for event in events:
        yield event


def part(index: int, kind: PartKind, *texts: str, **call: str) -> list[Event]:
    deltas = [PartDelta(text=text, logprobs=(LIKELY,)) for text in texts]
    return [PartStarted(index=index, kind=kind, **call), *deltas, PartEnded()]


async def test_nothing_was_written() -> None:
    answer = await collect(stream(Started(prompt_tokens=3), END))
    assert (answer.text, answer.reasoning, answer.tool_calls, answer.logprobs) == (
        None,
        None,
        (),
        (),
    )
    assert answer.finished is END


async def test_an_empty_text_is_a_text() -> None:
    assert (await collect(stream(*part(0, "text"), END))).text == ""


async def test_parts_of_a_kind_are_joined() -> None:
    parts = [*part(0, "reasoning", "a", "b"), *part(1, "text", "c"), *part(2, "text", "d", "e")]
    answer = await collect(stream(Started(prompt_tokens=3), *parts, END))
    assert (answer.reasoning, answer.text) == ("ab", "cde")


async def test_only_the_texts_logprobs_are_kept() -> None:
    parts = [*part(0, "reasoning", "a"), *part(1, "preamble", "b"), *part(2, "text", "c")]
    assert (await collect(stream(*parts, END))).logprobs == (LIKELY,)


async def test_a_preamble_is_not_the_text() -> None:
    parts = part(0, "preamble", "I look.")
    parts += part(1, "tool_call", '{"a"', ": 1}", call_id="call_1", name="f")
    answer = await collect(stream(*parts, END))
    assert answer.text is None
    assert answer.tool_calls == (ToolCall(id="call_1", name="f", arguments='{"a": 1}'),)


async def test_a_call_without_arguments() -> None:
    answer = await collect(stream(*part(0, "tool_call", call_id="c", name="f"), END))
    assert answer.tool_calls == (ToolCall(id="c", name="f", arguments=""),)


async def test_a_stream_without_an_end_is_a_fault() -> None:
    with pytest.raises(RuntimeError, match="without Finished"):
        await collect(stream(*part(0, "text", "a")))


async def test_an_error_of_the_stream_is_the_callers() -> None:
    async def broken() -> AsyncIterator[Event]:
        yield Started(prompt_tokens=1)
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        await collect(broken())


def test_usage_adds_up() -> None:
    usage = Usage(prompt_tokens=3, cached_tokens=2, completion_tokens=4, reasoning_tokens=1)
    assert usage.total_tokens == 7
