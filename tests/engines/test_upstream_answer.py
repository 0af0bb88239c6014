"""Pieces of answers in every order -> events that keep to the grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.events import Event, PartDelta, PartStarted
from server.engines.upstream_answer import AnswerWriter, CallPiece, Disorder
from tests.contracts import check_answer


def calls_of(*pieces: CallPiece) -> list[tuple[str, str, str]]:
    """Id, name and arguments of the calls that these pieces make."""
    writer = AnswerWriter()
    events: list[Event] = [event for piece in pieces for event in writer.call(piece)]
    events += writer.finish("tool_calls", None)
    check_answer(events)
    calls: list[list[str]] = []
    for event in events:
        if isinstance(event, PartStarted):
            calls.append([event.call_id, event.name, ""])
        elif isinstance(event, PartDelta):
            calls[-1][2] += event.text
    return [(call_id, name, arguments) for call_id, name, arguments in calls]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        # One by one, told apart by their index.
        (
            [
                CallPiece(index=0, call_id="a", name="f", arguments="{"),
                CallPiece(index=0, arguments="}"),
                CallPiece(index=1, call_id="b", name="g"),
            ],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
        # Each whole, all with index 0.
        (
            [
                CallPiece(index=0, call_id="a", name="f", arguments="1"),
                CallPiece(index=0, call_id="b", name="f", arguments="2"),
            ],
            [("a", "f", "1"), ("b", "f", "2")],
        ),
        # Id and name in every piece.
        (
            [
                CallPiece(index=0, call_id="a", name="f", arguments="1"),
                CallPiece(index=0, call_id="a", name="f", arguments="2"),
            ],
            [("a", "f", "12")],
        ),
        # No index at all.
        (
            [
                CallPiece(call_id="a", name="f", arguments="1"),
                CallPiece(arguments="2"),
                CallPiece(call_id="b", name="f", arguments="3"),
            ],
            [("a", "f", "12"), ("b", "f", "3")],
        ),
        # The name comes late.
        (
            [
                CallPiece(index=0, call_id="a", arguments="1"),
                CallPiece(index=0, name="f", arguments="2"),
            ],
            [("a", "f", "12")],
        ),
    ],
)
def test_calls_are_put_together(
    pieces: list[CallPiece], expected: list[tuple[str, str, str]]
) -> None:
    assert calls_of(*pieces) == expected


def test_calls_without_ids_get_some() -> None:
    calls = calls_of(
        CallPiece(index=0, name="f", arguments="1"), CallPiece(index=0, name="f", arguments="2")
    )
    assert [arguments for _, _, arguments in calls] == ["1", "2"]
    assert len({call_id for call_id, _, _ in calls} - {""}) == 2


@pytest.mark.parametrize(
    "pieces",
    [
        [
            CallPiece(index=0, call_id="a", name="f"),
            CallPiece(index=1, call_id="b", name="f"),
            CallPiece(index=0, arguments="1"),
        ],
        [CallPiece(index=0, call_id="a", arguments="1")],
    ],
)
def test_calls_in_disorder_are_refused(pieces: list[CallPiece]) -> None:
    with pytest.raises(Disorder):
        calls_of(*pieces)


names = st.sampled_from(["", "f"])
pieces = st.builds(
    CallPiece,
    index=st.none() | st.integers(0, 2),
    call_id=st.sampled_from(["", "a", "b"]),
    name=names,
    arguments=st.sampled_from(["", "{}"]),
)


@given(
    st.lists(
        st.tuples(st.just("reason"), st.text(max_size=2))
        | st.tuples(st.just("say"), st.text(max_size=2))
        | st.tuples(st.just("call"), pieces)
    ),
    st.sampled_from([None, "stop", "length", "tool_calls", "content_filter", "eos"]),
)
def test_any_order_keeps_the_grammar(
    said: list[tuple[str, str | CallPiece]], reason: str | None
) -> None:
    writer = AnswerWriter()
    events: list[Event] = []
    try:
        for method, piece in said:
            events += getattr(writer, method)(piece)
        events += writer.finish(reason, None)
    except Disorder:
        return
    check_answer(events)
