"""Joining deltas that arrived together."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.events import Event, PartDelta, PartEnded, PartStarted, TokenLogprob
from server.engines.generation import merged

PIECES = st.lists(st.lists(st.text(min_size=1, max_size=3), max_size=5), max_size=4)


def parts(texts: list[list[str]]) -> Iterator[Event]:
    for index, pieces in enumerate(texts):
        yield PartStarted(index=index, kind="text")
        for piece in pieces:
            token = TokenLogprob(token=piece.encode(), logprob=-1.0)
            yield PartDelta(text=piece, logprobs=(token,))
        yield PartEnded()


@given(PIECES)
def test_merging_keeps_text_logprobs_and_boundaries(texts: list[list[str]]) -> None:
    expected: list[Event] = []
    for index, pieces in enumerate(texts):
        expected.append(PartStarted(index=index, kind="text"))
        if pieces:
            tokens = tuple(TokenLogprob(token=p.encode(), logprob=-1.0) for p in pieces)
            expected.append(PartDelta(text="".join(pieces), logprobs=tokens))
        expected.append(PartEnded())
    assert list(merged(parts(texts))) == expected


def test_a_failure_comes_after_what_was_read_before_it() -> None:
    def failing() -> Iterator[Event]:
        yield PartDelta(text="a")
        yield PartDelta(text="b")
        raise ServerError("engine_failed", "gone")

    events = merged(failing())
    assert next(events) == PartDelta(text="ab")
    with pytest.raises(ServerError, match="gone"):
        next(events)
