"""One part from bytes to events."""

import itertools

import pytest

from server.core.events import PartDelta, PartEnded, PartKind, PartStarted, TokenLogprob
from server.formats.part_writer import PartWriter

LIKELY = TokenLogprob(token=b"a", logprob=-0.1)


def test_a_part_begins_with_its_first_text() -> None:
    part = PartWriter(itertools.count(3), "text")
    assert part.write(b"\xc3") == []
    assert part.write(b"\xa9") == [PartStarted(index=3, kind="text"), PartDelta(text="é")]
    assert part.end() == [PartEnded()]


def test_a_part_without_text_is_none() -> None:
    indices = itertools.count()
    assert PartWriter(indices, "reasoning").end() == []
    assert next(indices) == 0


def test_a_part_begun_is_one_without_text_too() -> None:
    part = PartWriter(itertools.count(), "tool_call", "call_1", "f")
    head = PartStarted(index=0, kind="tool_call", call_id="call_1", name="f")
    assert [*part.begin(), *part.begin(), *part.end()] == [head, PartEnded()]


def test_an_unfinished_character_ends_replaced_with_its_logprob() -> None:
    part = PartWriter(itertools.count(), "text")
    part.begin()
    assert part.write(b"\xe2", LIKELY) == []
    assert part.end() == [PartDelta(text="\ufffd", logprobs=(LIKELY,)), PartEnded()]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("text", (LIKELY,)), ("preamble", (LIKELY,)), ("reasoning", ()), ("tool_call", ())],
)
def test_logprobs_belong_to_visible_text(
    kind: PartKind, expected: tuple[TokenLogprob, ...]
) -> None:
    events = PartWriter(itertools.count(), kind, "id", "f").write(b"a", LIKELY)
    assert events[-1] == PartDelta(text="a", logprobs=expected)
