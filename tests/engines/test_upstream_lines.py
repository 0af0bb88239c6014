"""Server-sent events from bytes, however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.engines.upstream_lines import LONGEST_LINE, EndlessLine, Frame, Frames, Lines


def cut(data: bytes, places: list[int]) -> list[bytes]:
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in pairwise(at)]


def frames_of(*pieces: bytes) -> list[Frame]:
    frames = Frames()
    found = [frame for piece in pieces for frame in frames.feed(piece)]
    return [*found, *frames.finish()]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: a\n\n", [Frame(b"a")]),
        (b"data:a\r\n\r\ndata: b\r\rdata: c\n\n", [Frame(b"a"), Frame(b"b"), Frame(b"c")]),
        (b"data: a\ndata:\ndata:  b\n\n", [Frame(b"a\n\n b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Frame(b"a")]),
        (b": ping\n\ndata: a\n\n", [Frame(b""), Frame(b"a")]),
        (b"event: error\nid: 1\nretry: 5\ndata: a\n\n", [Frame(b"a", b"error")]),
        (b"event: nothing\n\ndata: a\n\n", [Frame(b"a")]),
        (b"data: a\n\ndata: b", [Frame(b"a"), Frame(b"b")]),
        (b"data: a\n", [Frame(b"a")]),
        (b"data\n\n", [Frame(b"")]),
        (b"\n\n\n", []),
        (b"", []),
    ],
)
def test_events_are_read(data: bytes, expected: list[Frame]) -> None:
    assert frames_of(data) == expected
    assert frames_of(*(data[i : i + 1] for i in range(len(data)))) == expected


@given(
    st.lists(
        st.sampled_from(
            [b"data: a", b"data:", b":", b"event: x", b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"d"]
        )
    ).map(b"".join),
    st.lists(st.integers(0, 99), max_size=6),
)
def test_cuts_change_nothing(data: bytes, places: list[int]) -> None:
    assert frames_of(*cut(data, places)) == frames_of(data)


def test_a_line_without_end_is_no_line() -> None:
    lines = Lines()
    lines.feed(b"x" * LONGEST_LINE)
    with pytest.raises(EndlessLine):
        lines.feed(b"x")
