"""Reading what gpt-oss writes, well formed and not."""

import re

import pytest

from server.core.events import PartDelta, PartStarted, TokenLogprob
from server.formats.harmony_reader import new_call_id
from server.formats.vocabulary import Vocabulary
from tests.formats.answers import (
    CALL,
    CALLED,
    FINAL,
    HI,
    LONG,
    MALFORMED,
    NOT_OFFERED,
    START,
    THINK,
    WELL_FORMED,
)
from tests.formats.reading import CALL_ID, parts_of, read, read_text, reader
from tests.formats.vocabularies import spell


@pytest.mark.parametrize("name", WELL_FORMED)
def test_well_formed(tiny: Vocabulary, name: str) -> None:
    text, parts = WELL_FORMED[name]
    reading = read_text(tiny, text)
    assert reading.parts == parts
    assert reading.warning is None
    assert (reading.reason == "tool_calls") == any(kind.endswith("()") for kind, _ in parts)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(tiny: Vocabulary, name: str) -> None:
    text, parts = MALFORMED[name]
    reading = read_text(tiny, text)
    assert reading.parts == parts
    assert (reading.reason == "tool_calls") == (parts == CALLED)


@pytest.mark.parametrize(
    "name",
    [
        "bare text",
        "message twice",
        "cut after the channel",
        "as the user",
        "a call without message",
    ],
)
def test_mending_is_told(tiny: Vocabulary, name: str) -> None:
    assert read_text(tiny, MALFORMED[name][0]).warning


def test_a_header_of_blanks_hides_nothing(tiny: Vocabulary) -> None:
    reading = read_text(tiny, f"<|channel|>final{'  ' * 200}<|message|>Hi!")
    assert [(kind, text.strip()) for kind, text in reading.parts] == HI


@pytest.mark.parametrize("text", NOT_OFFERED)
def test_a_call_of_what_was_not_offered_is_left_out(tiny: Vocabulary, text: str) -> None:
    reading = read_text(tiny, f"{THINK}{START}{text}")
    assert (reading.parts, reading.reason) == ([("reasoning", "Hm.")], "stop")
    assert reading.warning is not None
    assert "not offered" in reading.warning


def test_without_tools_no_call_is_made(tiny: Vocabulary) -> None:
    reading = read_text(tiny, f"{CALL}{START}{FINAL}<|return|>", tools=())
    assert (reading.parts, reading.reason) == (HI, "stop")
    assert "functions.get_weather" in (reading.warning or "")


def test_a_preamble_of_a_call_left_out_is_the_answer(tiny: Vocabulary) -> None:
    text = f"<|channel|>commentary<|message|>I look.<|end|>{START}{NOT_OFFERED[0]}"
    assert read_text(tiny, text).parts == [("text", "I look.")]


def test_a_call_has_its_id(tiny: Vocabulary) -> None:
    events = read_text(tiny, CALL).events
    assert events[0] == PartStarted(index=0, kind="tool_call", call_id=CALL_ID, name="get_weather")


def test_call_ids_are_random() -> None:
    ids = {new_call_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"call_[A-Za-z0-9_-]{24}", call_id) for call_id in ids)


def test_reasoning_tokens_are_those_of_the_thoughts(tiny: Vocabulary) -> None:
    thought = "A long thought, in several words."
    text = f"<|channel|>analysis<|message|>{thought}<|end|>"
    reading = read_text(tiny, f"{text}{START}{text}{START}{FINAL}<|return|>")
    assert reading.reasoning_tokens == 2 * len(tiny.encode(thought))


def test_text_leaves_as_it_comes(tiny: Vocabulary) -> None:
    """Every whole character is out with the token that completes it."""
    reading = reader(tiny)
    events = [
        e for token in spell(tiny, "<|channel|>final<|message|>") for e in reading.feed(token)
    ]
    assert parts_of(events) == [("text", "")]
    written = b""
    for token in spell(tiny, "Hello, नमस्ते 😀!"):
        written += tiny.bytes_of(token)
        events += reading.feed(token)
        assert parts_of(events)[0][1] == written.decode("utf-8", "ignore")


def test_invalid_bytes_become_replacements_at_the_end_only(tiny: Vocabulary) -> None:
    first_of_three = tiny.encode("€")[0]
    assert tiny.bytes_of(first_of_three) == b"\xe2"
    reading = reader(tiny)
    for token in spell(tiny, FINAL):
        reading.feed(token)
    assert reading.feed(first_of_three) == []
    assert parts_of([PartStarted(index=0, kind="text"), *reading.finish()]) == [("text", "\ufffd")]


def test_unknown_ids_are_passed_over(tiny: Vocabulary) -> None:
    ids = spell(tiny, f"{FINAL}<|return|>")
    mixed = [token for known in ids for token in (known, tiny.size, 10**9)]
    assert read(tiny, mixed).parts == HI


class TestLogprobs:
    """Every visible token's log probability comes with its text, and no other's."""

    def read(self, vocabulary: Vocabulary, text: str) -> list[PartDelta]:
        reading = reader(vocabulary)
        events = []
        for token in spell(vocabulary, text):
            logprob = TokenLogprob(token=vocabulary.bytes_of(token), logprob=-1.0)
            events += reading.feed(token, logprob)
        events += reading.finish()
        return [event for event in events if isinstance(event, PartDelta)]

    def test_visible_text_has_them(self, tiny: Vocabulary) -> None:
        deltas = self.read(tiny, "<|channel|>final<|message|>Hello, नमस्ते 😀!<|return|>")
        for delta in deltas:
            assert b"".join(p.token for p in delta.logprobs).decode() == delta.text

    def test_thoughts_and_calls_have_none(self, tiny: Vocabulary) -> None:
        deltas = self.read(tiny, f"{THINK}{START}{CALL}")
        assert deltas
        assert not any(delta.logprobs for delta in deltas)

    def test_commentary_has_them(self, tiny: Vocabulary) -> None:
        deltas = self.read(tiny, f"<|channel|>commentary<|message|>Hi you!<|end|>{START}{CALL}")
        spelled = b"".join(p.token for delta in deltas for p in delta.logprobs)
        assert spelled == b"Hi you!"

    def test_bare_text_has_them(self, tiny: Vocabulary) -> None:
        deltas = self.read(tiny, LONG)
        spelled = b"".join(p.token for delta in deltas for p in delta.logprobs)
        assert spelled.decode() == LONG
