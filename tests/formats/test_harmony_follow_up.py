"""What is counted as visible, what a model is told that ended without an answer, and answers that
were begun.
"""

import pytest

from server.core.events import Event
from server.formats.harmony_markers import Markers
from server.formats.harmony_reader import HarmonyReader
from server.formats.vocabulary import Vocabulary
from tests.contracts import check_events
from tests.formats.answers import CALL, FINAL, NOT_OFFERED, START, THINK
from tests.formats.reading import Parts, parts_of, reader
from tests.formats.vocabularies import spell, unspell


def fed(reading: HarmonyReader, vocabulary: Vocabulary, text: str) -> list[Event]:
    return [event for token in spell(vocabulary, text) for event in reading.feed(token)]


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        (f"{THINK}{START}{FINAL}<|return|>", "Hi!"),
        (f"{THINK}{START}{CALL}", "{}"),
        ("<|channel|>commentary<|message|>I look.<|end|>", "I look."),
        (f"{THINK}{START}<|channel|>analysis to=python<|message|>1<|call|>", ""),
        ("Hi!<|return|>", "Hi!"),
        (THINK, ""),
    ],
)
def test_visible_tokens_are_counted(tiny: Vocabulary, text: str, visible: str) -> None:
    reading = reader(tiny)
    fed(reading, tiny, text)
    assert reading.visible_tokens == len(tiny.encode(visible))


def test_speaking_is_told_apart_from_thinking_and_headers(tiny: Vocabulary) -> None:
    reading = reader(tiny)
    told = []
    for token in spell(tiny, f"{THINK}{START}{FINAL}"):
        reading.feed(token)
        told.append(reading.speaks)
    body = len(tiny.encode("Hi!")) + 1
    assert told == [False] * (len(told) - body) + [True] * body


@pytest.mark.parametrize("text", NOT_OFFERED)
def test_a_stray_call_is_answered_with_an_error(tiny: Vocabulary, text: str) -> None:
    reading = reader(tiny)
    events = fed(reading, tiny, THINK + START + text)
    told = unspell(tiny, reading.follow_up())
    assert told.startswith("<|call|><|start|>")
    assert " to=assistant<|channel|>commentary<|message|>Error: " in told
    assert "functions.get_weather" in told
    assert told.endswith("<|end|><|start|>assistant")
    events += fed(reading, tiny, f"{FINAL}<|return|>")
    assert reading.follow_up() == []
    events += reading.finish()
    check_events(events)
    assert parts_of(events) == [("reasoning", "Hm."), ("text", "Hi!")]


def test_without_tools_the_model_is_told_to_answer(tiny: Vocabulary) -> None:
    reading = reader(tiny, ())
    fed(reading, tiny, NOT_OFFERED[0])
    assert "No tools are there" in unspell(tiny, reading.follow_up())


@pytest.mark.parametrize("text", ["<|return|>", f"{THINK}<|return|>", "<|channel|>final<|return|>"])
def test_a_model_that_said_nothing_is_made_to_answer(tiny: Vocabulary, text: str) -> None:
    reading = reader(tiny)
    events = fed(reading, tiny, text)
    expected = "<|end|><|start|>assistant<|channel|>final<|message|>"
    assert unspell(tiny, reading.follow_up()) == expected
    assert reading.speaks
    events += fed(reading, tiny, "Hi!<|return|>") + reading.finish()
    check_events(events)
    assert parts_of(events)[-1] == ("text", "Hi!")
    assert reading.warning


@pytest.mark.parametrize(
    "text",
    [
        f"{THINK}{START}{FINAL}<|return|>",
        f"{THINK}{START}{CALL}",
        "<|channel|>commentary<|message|>Hi!<|return|>",
        "<|channel|>final<|message|><|return|>",
        "Hi!<|return|>",
    ],
)
def test_an_answer_may_stand(tiny: Vocabulary, text: str) -> None:
    reading = reader(tiny)
    fed(reading, tiny, text)
    assert reading.follow_up() == []


def begun(vocabulary: Vocabulary, text: str) -> tuple[Parts, HarmonyReader]:
    reading = HarmonyReader(vocabulary, Markers.of(vocabulary), begun=True)
    events = fed(reading, vocabulary, text) + reading.finish()
    check_events(events)
    return parts_of(events), reading


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (" a time.<|return|>", [("text", " a time.")]),
        (" a time.", [("text", " a time.")]),
        ("<|return|>", []),
        (f" a time.<|end|>{START}{FINAL}<|return|>", [("text", " a time."), ("text", "Hi!")]),
        (f"<|end|>{START}{THINK}{START}{FINAL}", [("reasoning", "Hm."), ("text", "Hi!")]),
    ],
)
def test_a_begun_answer_goes_on(tiny: Vocabulary, text: str, parts: Parts) -> None:
    found, reading = begun(tiny, text)
    assert found == parts
    assert reading.visible_tokens == sum(len(tiny.encode(t)) for k, t in parts if k == "text")
