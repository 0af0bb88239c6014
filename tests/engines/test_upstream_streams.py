"""What servers of several makes stream -> events; and what none of them should."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.events import Event, Finished, Started, TokenLogprob, collect
from server.engines.upstream import WIRES
from server.engines.upstream_wire import Reader
from tests.contracts import check_answer
from tests.engines.scripted_server import encoded, frame
from tests.engines.test_upstream_lines import cut
from tests.engines.upstreams import GOLDEN, asked, body_of, options, told

NAMES = sorted(GOLDEN)


def reader(wire: Any = "openai", **request: Any) -> Reader:
    return WIRES[wire](options(wire=wire)).reader(asked(**request))


def events_of(read: Reader, *pieces: bytes) -> list[Event]:
    events = [event for piece in pieces for event in read.feed(piece)]
    return [*events, *read.finish()]


def answer_or_error(read: Reader, data: bytes) -> list[Event] | ServerError:
    """A whole answer, or the one error that there is instead."""
    try:
        events = events_of(read, data)
    except ServerError as error:
        return error
    check_answer(events)
    return events


async def answer_of(events: list[Event]) -> dict[str, Any]:
    async def replay() -> Any:
        for event in events:
            yield event

    return told(await collect(replay()))


def read_chunks(*chunks: Any) -> list[Event]:
    return events_of(reader(), *map(frame, chunks))


def delta(finish: str | None = None, **said: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


@pytest.mark.parametrize("name", NAMES)
async def test_golden_streams_are_read(name: str) -> None:
    golden = GOLDEN[name]
    events = events_of(reader(golden["wire"], stop=("END",)), body_of(golden))
    check_answer(events)
    assert await answer_of(events) == golden["answer"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.lists(st.integers(0, 5000), max_size=12))
def test_cuts_change_no_event(name: str, places: list[int]) -> None:
    golden, data = GOLDEN[name], body_of(GOLDEN[name])
    expected = events_of(reader(golden["wire"]), data)
    assert events_of(reader(golden["wire"]), *cut(data, places)) == expected


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 5000))
def test_a_stream_that_breaks_off_is_no_answer(name: str, place: int) -> None:
    """Unless it had said before that it is over."""
    golden, data = GOLDEN[name], body_of(GOLDEN[name])
    read = reader(golden["wire"])
    found = answer_or_error(read, data[: place % len(data)])
    if isinstance(found, ServerError):
        assert found.kind == "upstream_failed"
    else:
        assert read.complete


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["openai", "chatkit", "vercel"]),
    st.one_of(
        st.binary(max_size=60),
        st.binary(max_size=60).map(lambda data: b"data: " + data + b"\n\n"),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(
                        ["choices", "delta", "error", "usage", "type", "item", "index"]
                    ),
                    inner,
                    max_size=3,
                )
            ),
            max_leaves=8,
        ).map(frame),
    ),
)
def test_whatever_comes_ends_in_an_answer_or_an_error(wire: str, data: bytes) -> None:
    found = answer_or_error(reader(wire), data)
    if isinstance(found, ServerError):
        assert found.message


async def test_a_reply_that_is_not_streamed_is_read_too() -> None:
    message = {
        "role": "assistant",
        "content": "I look.",
        "reasoning": "Weather.",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": "ä"}}}
        ],
    }
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    body = encoded({"object": "chat.completion", "choices": [choice], "usage": usage})
    events = events_of(reader(), b"\n " + body[:20], body[20:])
    check_answer(events)
    answer = await answer_of(events)
    assert (answer["reasoning"], answer["text"]) == ("Weather.", "I look.")
    assert answer["tool_calls"] == [["c1", "f", '{"a":"ä"}']]
    assert answer["reason"] == "tool_calls"


def test_log_probabilities_come_as_bytes() -> None:
    tokens = [
        {
            "token": "\\xd0",
            "bytes": [0xD0],
            "logprob": -0.5,
            "top_logprobs": [{"token": "a", "bytes": None, "logprob": -1.5}],
        }
    ]
    choice = {"delta": {"content": "a"}, "logprobs": {"content": tokens}, "finish_reason": "stop"}
    events = read_chunks({"choices": [choice]})
    expected = TokenLogprob(token=b"\xd0", logprob=-0.5, top=((b"a", -1.5),))
    assert events[2].logprobs == (expected,)


def test_log_probabilities_of_completions_are_read() -> None:
    golden = GOLDEN["completions"]
    events = events_of(reader(stop=("END",)), body_of(golden))
    expected = TokenLogprob(token=b" Once", logprob=-0.5, top=((b" Once", -0.5), (b" A", -1.5)))
    assert events[2].logprobs == (expected,)
    assert isinstance(events[-1], Finished)
    assert events[-1].stop_string == "END"


def test_a_comment_is_a_sign_of_admission() -> None:
    assert list(reader().feed(b": working\n\n")) == [Started(prompt_tokens=0)]


def test_withheld_content_is_told() -> None:
    end = read_chunks(delta("content_filter", content="a"))[-1]
    assert isinstance(end, Finished)
    assert end.reason == "stop"
    assert "content_filter" in (end.warning or "")


def test_other_choices_are_not_ours() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": None}]}
    events = read_chunks(other, delta("stop", content="a"))
    assert [event.text for event in events if hasattr(event, "text")] == ["a"]


@pytest.mark.parametrize(
    ("frames", "kind", "words"),
    [
        ([{"error": {"message": "out of memory", "code": 500}}], "upstream_failed", "out of mem"),
        ([{"error": {"message": "no schema", "code": 400}}], "invalid", "no schema"),
        ([{"error": {"message": "later", "code": 429}}], "busy", "cannot take"),
        ([{"error": {"message": "sk-secret", "code": 401}}], "upstream_failed", "does not know"),
        ([{"error": "model crashed"}], "upstream_failed", "model crashed"),
        ([{"object": "error", "message": "too late", "code": 503}], "busy", "cannot take"),
        ([delta(content="a"), {"error": {"message": "cut"}}], "upstream_failed", "cut"),
        ([delta("error", content="a")], "upstream_failed", "amid"),
        (["no json"], "upstream_failed", "no answer in OpenAI's"),
        ([{"choices": [{"delta": {"content": 1}}]}], "upstream_failed", "no answer in OpenAI's"),
        ([delta(content="a")], "upstream_failed", "ended before"),
        ([], "upstream_failed", "ended before"),
    ],
)
def test_failures_amid_a_stream_are_told(frames: list[Any], kind: str, words: str) -> None:
    with pytest.raises(ServerError, match=words) as caught:
        read_chunks(*frames)
    assert caught.value.kind == kind
    assert "sk-secret" not in caught.value.message


@pytest.mark.parametrize(
    ("wire", "data"),
    [
        ("chatkit", frame({"type": "error", "message": "quota is spent"})),
        ("chatkit", frame({"error": {"message": "quota is spent"}})),
        ("vercel", b'3:"quota is spent"\n'),
    ],
)
def test_other_wires_tell_failures_in_their_words(wire: str, data: bytes) -> None:
    with pytest.raises(ServerError, match="quota is spent") as caught:
        events_of(reader(wire), data)
    assert caught.value.kind == "upstream_failed"


@pytest.mark.parametrize(
    "data",
    [
        b'event: error\ndata: {"message": "out of memory"}\n\n',
        b'event: error\ndata: {"error": {"message": "out of memory"}}\n\n',
        b'event: error\ndata: "out of memory"\n\n',
        b'error: {"code": 500, "message": "out of memory", "type": "server_error"}\n\n',
    ],
)
def test_an_event_may_be_an_error(data: bytes) -> None:
    with pytest.raises(ServerError, match="out of memory") as caught:
        events_of(reader(), data)
    assert caught.value.kind == "upstream_failed"


def test_warnings_of_a_server_like_this_are_passed_on() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    end = read_chunks(delta("stop", content="a") | {"warning": "mended", "usage": usage})[-1]
    assert isinstance(end, Finished)
    assert end.warning == "mended"


def test_a_step_that_is_continued_is_no_end() -> None:
    step = b'0:"a"\ne:{"finishReason":"tool-calls","isContinued":true}\n'
    with pytest.raises(ServerError, match="ended before"):
        events_of(reader("vercel"), step)
