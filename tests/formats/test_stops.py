"""Stop strings: the visible text ends where the first one begins, however the text arrives."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.events import Event, PartDelta, PartEnded, PartKind, PartStarted, TokenLogprob
from server.formats.stops import StopFilter
from tests.contracts import check_events
from tests.formats.reading import parts_of

# Few letters and much repetition: that is where searching goes wrong.
LETTERS = st.text("abé", max_size=8)
STOPS = st.lists(st.text("abé", min_size=1, max_size=4), max_size=4)


def part(
    kind: PartKind, *texts: str, index: int = 0, logprobs: bool = False, ended: bool = True
) -> list[Event]:
    call = {"call_id": "c", "name": "f"} if kind == "tool_call" else {}
    deltas = [
        PartDelta(
            text=text,
            logprobs=(TokenLogprob(token=text.encode(), logprob=-1.0),) if logprobs else (),
        )
        for text in texts
        if text
    ]
    end = [PartEnded()] if ended else []
    return [PartStarted(index=index, kind=kind, **call), *deltas, *end]


def through(stops: StopFilter, events: list[Event], size: int = 1) -> list[Event]:
    passed: list[Event] = []
    for start in range(0, len(events), size):
        passed += stops.feed(events[start : start + size])
    passed += stops.finish()
    return passed


def first_match(text: str, stops: list[str]) -> int:
    return min([start for stop in stops if (start := text.find(stop)) >= 0], default=len(text))


@given(texts=st.lists(LETTERS, max_size=10), stops=STOPS, size=st.integers(1, 4))
@settings(max_examples=500)
def test_text_ends_at_the_first_match(texts: list[str], stops: list[str], size: int) -> None:
    text = "".join(texts)
    found = StopFilter(stops)
    passed = through(found, part("text", *texts), size)
    check_events(passed)
    end = first_match(text, stops)
    assert parts_of(passed) == [("text", text[:end])]
    assert (found.hit is not None) == (end < len(text))
    assert found.hit is None or text.startswith(found.hit, end)


@given(texts=st.lists(LETTERS, max_size=10), stops=STOPS)
@settings(max_examples=300)
def test_as_little_is_held_back_as_can_be(texts: list[str], stops: list[str]) -> None:
    """After every delta all text is out but the longest end that may still become a stop string."""
    found = StopFilter(stops)
    passed = found.feed([PartStarted(index=0, kind="text")])
    text = ""
    for delta in part("text", *texts, ended=False)[1:]:
        passed += found.feed([delta])
        text += delta.text if isinstance(delta, PartDelta) else ""
        if found.hit is not None:
            return
        held = next(
            (
                len(text) - start
                for start in range(len(text))
                if any(stop.startswith(text[start:]) for stop in stops)
            ),
            0,
        )
        if first_match(text, stops) == len(text):
            assert parts_of(passed) == [("text", text[: len(text) - held])]


@given(texts=st.lists(LETTERS, max_size=10), stops=STOPS)
@settings(max_examples=200)
def test_logprobs_stay_with_their_text(texts: list[str], stops: list[str]) -> None:
    """A token that begins before the cut keeps its log probability, a later one loses it."""
    passed = through(StopFilter(stops), part("text", *texts, logprobs=True))
    spelled = [p.token.decode() for e in passed if isinstance(e, PartDelta) for p in e.logprobs]
    end = first_match("".join(texts), stops)
    expected, start = [], 0
    for text in filter(None, texts):
        if start < end:
            expected.append(text)
        start += len(text)
    assert spelled == expected


@pytest.mark.parametrize("kind", ["reasoning", "tool_call"])
def test_hidden_text_is_not_searched(kind: PartKind) -> None:
    events = part(kind, "a stop b")
    found = StopFilter(["stop"])
    assert through(found, events) == events
    assert found.hit is None


def test_a_preamble_is_searched_and_what_follows_is_dropped() -> None:
    events = [*part("reasoning", "stop"), *part("preamble", "a st", "op b", index=1)]
    events += part("tool_call", "{}", index=2)
    found = StopFilter(["stop"])
    passed = through(found, events)
    check_events(passed)
    assert parts_of(passed) == [("reasoning", "stop"), ("preamble", "a ")]
    assert found.hit == "stop"
    assert found.feed(part("text", "more", index=2)) == []


def test_a_match_does_not_span_parts() -> None:
    events = [*part("text", "st"), *part("text", "op", index=1)]
    assert parts_of(through(StopFilter(["stop"]), events)) == [("text", "st"), ("text", "op")]


def test_the_match_that_begins_first_counts() -> None:
    """Not the one that is complete first; but it does if the other comes to nothing."""
    stops = ["abcd", "c"]
    whole, broken = StopFilter(stops), StopFilter(stops)
    assert parts_of(through(whole, part("text", "xab", "cd"))) == [("text", "x")]
    assert whole.hit == "abcd"
    assert parts_of(through(broken, part("text", "xab", "ce"))) == [("text", "xab")]
    assert broken.hit == "c"


def test_an_open_match_counts_when_the_stream_breaks_off() -> None:
    found = StopFilter(["abcd", "c"])
    passed = through(found, part("text", "xabc", ended=False))
    assert parts_of(passed) == [("text", "xab")]
    assert (passed[-1], found.hit) == (PartEnded(), "c")


def test_what_was_held_leaves_when_the_stream_breaks_off() -> None:
    found = StopFilter(["stop"])
    assert parts_of(through(found, part("text", "a st", ended=False))) == [("text", "a st")]


@pytest.mark.parametrize("stops", [[], [""]])
def test_without_stop_strings_all_passes(stops: list[str]) -> None:
    events = part("text", "a", "b")
    assert through(StopFilter(stops), events) == events


@pytest.mark.parametrize("stop", ["a" * 999 + "b", "ab" * 500 + "c"])
def test_the_worst_text_takes_linear_time(stop: str) -> None:
    """Text that is always about to match, and a long stop string."""
    text = stop[:-1] * (300_000 // len(stop))
    found = StopFilter([stop])
    began = time.perf_counter()
    deltas = [text[start : start + 4] for start in range(0, len(text), 4)]
    passed = through(found, part("text", *deltas), size=100)
    assert time.perf_counter() - began < 10
    assert parts_of(passed)[0][1] == text
