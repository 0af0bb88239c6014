"""What models write between tags, read as events: in every family, in any pieces, and malformed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.events import Event, PartDelta, TokenLogprob
from server.formats.tagged_reader import TaggedReader
from server.formats.tags import (
    DEEPSEEK,
    DEEPSEEK_FENCED,
    HERMES,
    LLAMA,
    MISTRAL,
    MISTRAL_LIST,
    THINKING,
    CallForm,
    Tags,
    tags_of,
)
from server.formats.template_prompt import Opening
from server.formats.vocabulary import Vocabulary
from tests.contracts import check_events
from tests.formats.reading import parts_of
from tests.formats.templates import TEMPLATES, source

THINK = THINKING[0]
END = 256
# Single tokens beside the bytes: an end, two tags and a control token that is none.
TOKENS = [*(bytes([value]) for value in range(256)), b"<|im_end|>", b"<think>", b"</think>"]
TOKENS += [b"<tool_call>", b"<|other|>"]
VOCABULARY = Vocabulary(TOKENS, range(256, len(TOKENS)), lambda text: [*text.encode()])
QWEN = Tags(thinking=THINK, calls=HERMES)


def reader(tags: Tags = QWEN, opening: Opening = "either", tools: tuple[str, ...] = ("look",)):
    return TaggedReader(VOCABULARY, tags, [END], tools, lambda: "call_1", opening)


def ids(text: str) -> list[int]:
    """Bytes, but tags that are tokens as such."""
    found: list[int] = []
    while text:
        token = next(
            (i for i in range(256, len(TOKENS)) if text.startswith(TOKENS[i].decode())), -1
        )
        length = len(TOKENS[token].decode()) if token >= 0 else 1
        found += [token] if token >= 0 else text[:1].encode()
        text = text[length:]
    return found


def read(
    text: str, given_: TaggedReader | None = None
) -> tuple[list[tuple[str, str]], TaggedReader]:
    reading = given_ or reader()
    events = [event for token in ids(text) for event in reading.feed(token)]
    events += reading.finish()
    check_events(events)
    assert reading.finish() == []
    return parts_of(events), reading


ARGUMENTS = '{"city": "Kö\\"ln{", "n": [1, {"a": "]"}]}'
CALLED = [("look()", ARGUMENTS)]
FAMILIES: list[tuple[CallForm, str]] = [
    (HERMES, f'<tool_call>\n{{"name": "look", "arguments": {ARGUMENTS}}}\n</tool_call>'),
    (HERMES, f'<tool_call>{{ "type": "function", "name":"look","arguments":{ARGUMENTS}}}'),
    (MISTRAL_LIST, f'[TOOL_CALLS] [{{"name": "look", "arguments": {ARGUMENTS}, "id": "abc"}}]'),
    (MISTRAL, f"[TOOL_CALLS]look[ARGS]{ARGUMENTS}"),
    (MISTRAL, f"[TOOL_CALLS]look[CALL_ID]abcdefghi[ARGS]{ARGUMENTS}"),
    (MISTRAL, f"[TOOL_CALLS]look{ARGUMENTS}"),
    (LLAMA, f'{{"name": "look", "parameters": {ARGUMENTS}}}'),
    (LLAMA, f'<|python_tag|>{{"type": "function", "name": "look", "parameters": {ARGUMENTS}}}'),
    (
        DEEPSEEK_FENCED,
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>look\n```json\n"
        f"{ARGUMENTS}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    ),
    (
        DEEPSEEK,
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>look<｜tool▁sep｜>{ARGUMENTS}<｜tool▁call▁end｜>",
    ),
]


@pytest.mark.parametrize(("form", "text"), FAMILIES)
def test_call_of_every_family_is_read(form: CallForm, text: str) -> None:
    parts, reading = read(text, reader(Tags(thinking=None, calls=form)))
    assert parts == CALLED
    assert (reading.reason, reading.warning, reading.speaks) == ("tool_calls", None, False)
    assert reading.visible_tokens == len(ARGUMENTS.encode())


@pytest.mark.parametrize(("form", "text"), [each for each in FAMILIES if each[0] is not LLAMA])
def test_call_after_thought_and_text_is_read(form: CallForm, text: str) -> None:
    whole = f"<think>\nHm.\n</think>\n\nI look.\n\n{text}\nnoise<|im_end|>"
    parts, _ = read(whole, reader(Tags(thinking=THINK, calls=form)))
    assert parts == [("reasoning", "Hm."), ("text", "I look."), *CALLED]


@pytest.mark.parametrize("thinking", THINKING)
@pytest.mark.parametrize("opening", ["either", "thought"])
def test_thoughts_of_every_family_are_read(thinking, opening: Opening) -> None:
    tags = Tags(thinking=thinking, calls=None)
    opened = thinking.open if opening == "either" else ""
    parts, reading = read(
        f"{opened}\nOne.\n\nTwo.\n{thinking.close}\n\nYes. ", reader(tags, opening)
    )
    assert parts == [("reasoning", "One.\n\nTwo."), ("text", "Yes. ")]
    assert reading.warning is None


@pytest.mark.parametrize(
    ("text", "opening", "parts"),
    [
        ("Hello <b>you</b>.", "either", [("text", "Hello <b>you</b>.")]),
        ("  Hello\n", "either", [("text", "Hello\n")]),
        ("", "either", []),
        ("<think></think>Hi", "either", [("text", "Hi")]),
        ("<think>a</think><think>b</think>", "either", [("reasoning", "a"), ("reasoning", "b")]),
        ("<think>\nagain</think>x", "thought", [("reasoning", "again"), ("text", "x")]),
        ("Say <think> twice", "either", [("text", "Say <think> twice")]),
        ("<think>never ends", "either", [("reasoning", "never ends")]),
        ("</think>Hi", "either", [("text", "Hi")]),
        ("<thin", "either", [("text", "<thin")]),
        ("Hi <tool_ca", "either", [("text", "Hi <tool_ca")]),
        ("Hi<|other|> you", "either", [("text", "Hi you")]),
        ("<think>a</thi", "either", [("reasoning", "a</thi")]),
        ("x<|im_end|>", "either", [("text", "x")]),
    ],
)  # fmt: skip
def test_what_is_odd_is_read(text: str, opening: Opening, parts: list[tuple[str, str]]) -> None:
    assert read(text, reader(opening=opening))[0] == parts


@pytest.mark.parametrize(
    ("text", "parts", "warning"),
    [
        ('A<tool_call>{"name": "run", "arguments": {}}', [("text", "A")], "run, which was not"),
        ("<tool_call>\nlook()\n</tool_call>", [], "cannot be read"),
        ('<tool_call>{"name": "lo', [], "broke off"),
        ("<tool_call>" + '{"name": "' + "x" * 5000, [], "cannot be read"),
        ("A</tool_call>B", [("text", "AB")], "wrote </tool_call> inside"),
        ('<tool_call>{"name": "look", "arguments": {"a": 1', [("look()", '{"a": 1')], None),
    ],
)  # fmt: skip
def test_malformed_calls_are_mended(text: str, parts: object, warning: str | None) -> None:
    found, reading = read(text)
    assert found == parts
    assert (warning or "") in (reading.warning or "")
    assert bool(reading.warning) == bool(warning)


def test_json_is_text_where_it_is_no_call() -> None:
    tags = Tags(thinking=None, calls=LLAMA)
    for text in ('{"answer": 4}', '{"name": "nobody", "parameters": {}}', "{", "Well."):
        assert read(text, reader(tags))[0] == [("text", text)]
    text = '{"name": "look", "parameters": {}}'
    assert read(text, reader(tags, tools=()))[0] == [("text", text)]


def test_tags_within_a_form_are_part_of_it() -> None:
    text = '{"a": "</think> <tool_call> </tool_call>"}'
    form = Tags(thinking=THINK, calls=HERMES, strays=False)
    assert read(f"<think>x</think>{text}", reader(form))[0] == [("reasoning", "x"), ("text", text)]


def test_who_has_only_thought_is_made_to_answer() -> None:
    reading = reader()
    events = [event for token in ids("<think>Hm.<|im_end|>") for event in reading.feed(token)]
    assert reading.follow_up() == [TOKENS.index(b"</think>"), *b"\n\n"]
    events += [event for token in ids("Yes.<|im_end|>") for event in reading.feed(token)]
    assert reading.follow_up() == []
    events += reading.finish()
    check_events(events)
    assert parts_of(events) == [("reasoning", "Hm."), ("text", "Yes.")]
    assert "made to give one" in (reading.warning or "")


def test_tokens_are_counted_by_what_they_are() -> None:
    _, reading = read("<think>\nabc\n</think>\n\nHé <|im_end|>")
    assert reading.reasoning_tokens == 3
    # Bytes are tokens here; the one that completes a character tells it.
    assert reading.visible_tokens >= len("Hé ")


def test_log_probabilities_are_those_of_visible_text() -> None:
    reading = reader()
    events: list[Event] = []
    for token in ids("<think>no</think>\n\nYes <tool_call>"):
        word = TokenLogprob(token=TOKENS[token], logprob=-1.0)
        events += reading.feed(token, word)
    deltas = [event for event in events if isinstance(event, PartDelta)]
    told = [each.token for delta in deltas for each in delta.logprobs]
    assert told == [b"Y", b"e", b"s"]


PIECES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        "<|im_end|>",
        "<|other|>",
        "\n",
        " ",
        "<th",
        "ink>",
        "</",
        "<tool",
        "_call>",
        '{"name": "look", "arguments": {',
        '"a": "}"',
        "}}",
        "Hello",
        "é",
        "🙂",
        '"',
        "{",
        "look",
        "[TOOL_CALLS]",
        "[ARGS]",
        "<|python_tag|>",
    ]
)
FORMS = st.sampled_from([HERMES, MISTRAL, MISTRAL_LIST, LLAMA, DEEPSEEK_FENCED, DEEPSEEK, None])


@given(
    text=st.lists(PIECES, max_size=12).map("".join),
    form=FORMS,
    opening=st.sampled_from(["either", "thought", "answer"]),
    cuts=st.lists(st.integers(0, 200), max_size=8),
)
@settings(max_examples=300, deadline=None)
def test_any_split_into_tokens_gives_the_same(
    text: str, form: CallForm | None, opening: Opening, cuts: list[int]
) -> None:
    tags = Tags(thinking=THINK, calls=form)
    data = text.replace("<|im_end|>", "").replace("<|other|>", "").encode()
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    starts = [0, *ends]
    pieces = [data[a:b] for a, b in zip(starts, ends, strict=False)]
    vocabulary = Vocabulary(pieces, (), lambda each: [*each.encode()])
    whole = Vocabulary([data], (), lambda each: [*each.encode()])
    given_ = [
        TaggedReader(each, tags, [10_000], ("look",), lambda: "call_1", opening)
        for each in (vocabulary, whole)
    ]
    split = [event for token in range(len(pieces)) for event in given_[0].feed(token)]
    split += given_[0].finish()
    at_once = given_[1].feed(0) + given_[1].finish()
    check_events(split)
    check_events(at_once)
    assert parts_of(split) == parts_of(at_once)
    assert given_[0].reason == given_[1].reason
    assert given_[0].warning == given_[1].warning


@given(tokens=st.lists(st.integers(-1, len(TOKENS) + 1), max_size=80), form=FORMS)
@settings(max_examples=300, deadline=None)
def test_any_tokens_are_read(tokens: list[int], form: CallForm | None) -> None:
    reading = reader(Tags(thinking=THINK, calls=form))
    events = [event for token in tokens for event in reading.feed(token)]
    check_events(events + reading.finish())


@pytest.mark.parametrize(
    ("name", "thinking", "calls"),
    [
        ("qwen3", THINK, HERMES),
        ("granite-4.0", None, HERMES),
        ("mistral-nemo", None, MISTRAL_LIST),
        ("llama-headers", None, LLAMA),
        ("deepseek-r1-distill", THINK, None),
        ("gemma-turns", None, None),
        ("phi-3.5", None, None),
    ],
)
def test_tags_are_those_of_the_template(name: str, thinking, calls) -> None:
    assert name in TEMPLATES
    assert tags_of(source(name)) == Tags(thinking=thinking, calls=calls)
