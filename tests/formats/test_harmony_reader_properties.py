"""What holds of reading any answer: nothing raises, nothing is lost, no markup gets out."""

from dataclasses import dataclass
from typing import Any

import openai_harmony as oh
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.formats.vocabulary import Vocabulary
from tests.formats.reading import Parts, read, reader
from tests.formats.vocabularies import spell, tiny_vocabulary

MARKERS = ["start", "message", "channel", "constrain", "end", "return", "call", "endoftext"]
WORDS = ["analysis", "commentary", "final", "assistant", "user", " to=", "functions.", "python"]
WORDS += ["get_weather", "do.it-now_2", " ", "json", "{}", "é", "😀", "नि"]


def ordinary_ids(vocabulary: Vocabulary) -> list[int]:
    """Ids whose bytes cannot be part of a marker's spelling."""
    return [
        i
        for i in range(vocabulary.size)
        if not vocabulary.is_control(i) and not set(b"<|>") & set(vocabulary.bytes_of(i))
    ]


ORDINARY = st.sampled_from(ordinary_ids(tiny_vocabulary()))
PHRASES = st.sampled_from(
    [spell(tiny_vocabulary(), f"<|{name}|>") for name in MARKERS]
    + [tiny_vocabulary().encode(word) for word in WORDS]
    + [spell(tiny_vocabulary(), "<|end|><|start|>assistant<|channel|>final<|message|>")]
    + [spell(tiny_vocabulary(), "<|channel|>commentary to=functions.get_weather<|message|>")]
    + [spell(tiny_vocabulary(), "<|channel|>commentary<|message|>I look.<|end|>")]
)
ANY_IDS = st.lists(
    PHRASES | st.lists(ORDINARY, max_size=12) | st.lists(st.integers(0, 2000), max_size=3),
    max_size=30,
).map(lambda phrases: [token for phrase in phrases for token in phrase])


@given(ids=ANY_IDS)
@settings(max_examples=500, deadline=None)
def test_any_ids_are_read(ids: list[int]) -> None:
    reading = read(tiny_vocabulary(), ids)
    assert reading.reason in ("stop", "tool_calls")
    assert 0 <= reading.reasoning_tokens <= len(ids)
    assert sum(kind.endswith("()") for kind, _ in reading.parts) <= 1
    written = b"".join(map(tiny_vocabulary().bytes_of, ids)).decode("utf-8", "replace")
    assert sum(len(text) for _, text in reading.parts) <= len(written)


@given(ids=ANY_IDS)
@settings(max_examples=300, deadline=None)
def test_no_markup_gets_out(ids: list[int]) -> None:
    """With ordinary tokens that cannot spell a marker, no text holds a piece of one."""
    vocabulary = tiny_vocabulary()
    spelling = {i for i in ids if not vocabulary.is_control(i)} - set(ordinary_ids(vocabulary))
    reading = read(vocabulary, [i for i in ids if i not in spelling])
    for _, text in reading.parts:
        assert not set("<|>") & set(text)


@given(ids=ANY_IDS)
@settings(max_examples=100, deadline=None)
def test_each_token_adds_to_what_was_read(ids: list[int]) -> None:
    """Cutting an answer short never changes what had left before the cut."""
    vocabulary = tiny_vocabulary()
    one, other = reader(vocabulary), reader(vocabulary)
    cut = len(ids) // 2
    first = [event for token in ids[:cut] for event in one.feed(token)]
    whole = [event for token in ids for event in other.feed(token)]
    assert whole[: len(first)] == first


@dataclass(frozen=True)
class Written:
    """A message whose text is for the reader of the answer, whatever its tokens are."""

    kind: str
    header: str
    body: list[int]
    end: str

    @property
    def text(self) -> str:
        data = b"".join(map(tiny_vocabulary().bytes_of, self.body))
        return data.decode("utf-8", "replace")


HEADERS = [
    ("reasoning", "<|channel|>analysis"),
    ("reasoning", "<|channel|>commentary to=assistant<|channel|>analysis"),
    ("text", "<|channel|>final"),
    ("text", "<|channel|>final <|constrain|>json"),
    ("text", "<|channel|>commentary"),
    ("text", "<|channel|>commentary<|channel|>final"),
    ("text", "<|channel|>unheard"),
    ("text", ""),
]
BODIES = st.lists(
    st.integers(0, tiny_vocabulary().size - 1).filter(
        lambda i: not tiny_vocabulary().is_control(i)
    ),
    max_size=20,
)
MESSAGES = st.builds(
    lambda header, body, end: Written(*header, body, end),
    st.sampled_from(HEADERS),
    BODIES,
    st.sampled_from(["<|end|><|start|>assistant", "<|end|>", "<|start|>assistant", "<|return|>"]),
)


@given(messages=st.lists(MESSAGES, max_size=6), cut=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_text_is_lost(messages: list[Written], cut: bool) -> None:
    """The bytes of all message bodies are the text of the parts, in order within their kind."""
    vocabulary = tiny_vocabulary()
    ids: list[int] = []
    for message in messages:
        ids += [*spell(vocabulary, f"{message.header}<|message|>"), *message.body]
        ids += spell(vocabulary, message.end)
    if cut and messages:
        ids = ids[: -len(spell(vocabulary, messages[-1].end))]
    reading = read(vocabulary, ids, tools=())
    for kind in ("reasoning", "text"):
        expected = "".join(message.text for message in messages if message.kind == kind)
        assert "".join(text for part, text in reading.parts if part == kind) == expected
    thoughts = [message.body for message in messages if message.kind == "reasoning"]
    assert reading.reasoning_tokens == sum(map(len, thoughts))


TEXTS = st.text(max_size=30) | st.sampled_from(["<|end|>", "नमस्ते", "e\u0301", "😀" * 5, "x" * 300])
SAYINGS = st.lists(
    st.tuples(st.sampled_from(["analysis", "commentary", "final", "functions.get_weather"]), TEXTS),
    min_size=1,
    max_size=6,
)


def test_well_formed_answers_are_read_as_openai_does(
    real: Vocabulary, harmony: oh.HarmonyEncoding
) -> None:
    @given(sayings=SAYINGS)
    @settings(max_examples=200, deadline=None)
    def check(sayings: list[tuple[str, str]]) -> None:
        ids = [token for saying in sayings for token in harmony.render(_message(*saying))]
        ids = ids[len(spell(real, "<|start|>assistant")) :]
        theirs = harmony.parse_messages_from_completion_tokens(ids, oh.Role.ASSISTANT)
        expected = _parts([message.to_dict() for message in theirs])
        ours = read(real, ids).parts
        assert [p for p in ours if p[0] == "reasoning"] == [
            p for p in expected if p[0] == "reasoning"
        ]
        assert [p for p in ours if p[0] != "reasoning"] == [
            p for p in expected if p[0] != "reasoning"
        ]

    check()


def _message(channel: str, text: str) -> oh.Message:
    message = oh.Message.from_role_and_content(oh.Role.ASSISTANT, text)
    if not channel.startswith("functions."):
        return message.with_channel(channel)
    call = message.with_channel("commentary").with_recipient(channel)
    return call.with_content_type("<|constrain|>json")


def _parts(messages: list[dict[str, Any]]) -> Parts:
    """The parts of parsed messages: up to the first call, commentary by what follows it."""
    parts: Parts = []
    for message in messages:
        text = message["content"][0]["text"]
        if "recipient" in message:
            parts.append((message["recipient"].removeprefix("functions.") + "()", text))
            break
        kind = {"analysis": "reasoning", "final": "text"}.get(message["channel"], "preamble")
        if text or kind == "text":
            parts.append((kind, text))
    decided = "text"
    for index in reversed(range(len(parts))):
        kind, text = parts[index]
        if kind == "preamble":
            parts[index] = (decided, text)
        elif kind != "reasoning":
            decided = "preamble" if kind.endswith("()") else "text"
    return parts


@pytest.mark.parametrize("size", [1, 7, 100])
def test_characters_split_over_tokens(tiny: Vocabulary, size: int) -> None:
    """One byte a token: no replacement character, no byte lost."""
    text = "Ünï नमस्ते 😀👩🏽‍🚀 中文 " * size
    single = {tiny.bytes_of(i): i for i in range(tiny.size) if len(tiny.bytes_of(i)) == 1}
    body = [single[bytes([value])] for value in text.encode()]
    ids = [*spell(tiny, "<|channel|>final<|message|>"), *body]
    assert read(tiny, ids).parts == [("text", text)]
