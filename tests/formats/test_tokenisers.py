"""Tokenisers of every kind of vocabulary: their ids are llama.cpp's own.

Vocabularies are made here; those of real models are compared too, where `GGML_VOCABULARIES` names
a folder with llama.cpp's `ggml-vocab-*.gguf`.
"""

import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.formats.model_text import CONTROL, USER_DEFINED, ModelText
from server.formats.pre_tokenisers import EXPRESSIONS
from server.formats.tokenisers import vocabularies_of
from server.worker.messages import SAMPLE_TEXT
from tests.formats.llama_vocabulary import LlamaVocabulary
from tests.vocabulary_files import write_byte_pairs, write_sentence_pieces

REAL = Path(os.environ.get("GGML_VOCABULARIES", "nowhere"))
FILES = sorted(path.name for path in REAL.glob("ggml-vocab-*.gguf"))
KINDS = ("gpt2", "llama", "gemma4")
# What llama.cpp splits as the models' authors do: no combining marks, no exotic blanks.
BITS = ["a", "Z", "aB", "don't", "'LL", "'s", "ß", "д", "Д", "中文", "々", "7", "1234", "²", "Ⅷ"]
BITS += [" ", "  ", "\t", "\n", "\r\n", "\n\n", "!", "/", "//", "...", "<|", "—", "’", "。", "😀"]
BITS += ["_", "-", "hello", " world", "Hello", " the", "()", "x1", "=="]
TEXTS = st.lists(st.sampled_from(BITS), max_size=40).map("".join)


# One name of each way to split; the last one looks ahead as only some engines can.
PRE = {each: name for name, each in EXPRESSIONS.items() if name not in ("tiny_aya", "cohere2moe")}


@pytest.fixture(scope="module", params=PRE.values())
def byte_pairs(request: pytest.FixtureRequest, tmp_path_factory) -> LlamaVocabulary:
    """The bundled model's tokens, split in every way there is."""
    path = tmp_path_factory.mktemp("pre") / "model.gguf"
    return LlamaVocabulary(write_byte_pairs(path, request.param))


def check(model: LlamaVocabulary, texts: list[str]) -> None:
    vocabulary = vocabularies_of(model.model_text()).raw
    for text in texts:
        assert vocabulary.encode(text) == model.tokenise(text), text


def mixed(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(BITS, k=draw.randrange(40))) for _ in range(count)]


def test_byte_pairs_are_llama_cpps(byte_pairs: LlamaVocabulary) -> None:
    check(byte_pairs, [SAMPLE_TEXT, *mixed(1, 200)])


@pytest.fixture(scope="module")
def sentence_pieces(tmp_path_factory) -> LlamaVocabulary:
    path = tmp_path_factory.mktemp("pieces") / "model.gguf"
    return LlamaVocabulary(write_sentence_pieces(path))


@given(text=TEXTS | st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_sentence_pieces_are_llama_cpps(sentence_pieces: LlamaVocabulary, text: str) -> None:
    text = text.replace("\0", "")
    vocabularies = sentence_pieces.vocabularies
    assert vocabularies.raw.encode(text) == sentence_pieces.tokenise(text)


def test_long_text_is_cut_where_no_token_spans(sentence_pieces: LlamaVocabulary) -> None:
    check(sentence_pieces, ["".join(mixed(2, 3_000)), "word " * 20_000, "hellohello" * 4_000])


def test_text_that_goes_on_gets_no_blank(sentence_pieces: LlamaVocabulary) -> None:
    vocabulary = sentence_pieces.vocabularies.chat
    spelt = b"".join(map(vocabulary.bytes_of, vocabulary.encode_on("hello")))
    assert spelt == b"hello"
    assert b"".join(map(vocabulary.bytes_of, vocabulary.encode("hello"))) == b" hello"
    assert vocabulary.encode("") == vocabulary.encode_on("") == []


@pytest.mark.parametrize("name", FILES or [""])
def test_ids_of_real_vocabularies_are_llama_cpps(name: str) -> None:
    if not name:
        pytest.skip("llama.cpp's vocabularies are not here; GGML_VOCABULARIES names their folder")
    model = LlamaVocabulary(REAL / name)
    if model.model_text().tokeniser not in KINDS:
        with pytest.raises(ValueError, match=r"tokeniser \(\w+\) is not known here"):
            vocabularies_of(model.model_text())
        return
    given_ = REAL / f"{name}.inp"
    texts = given_.read_text().split("\n__ggml_vocab_test__\n") if given_.exists() else []
    check(model, [SAMPLE_TEXT, *texts, *mixed(3, 300), "\n".join(mixed(4, 300))])


def test_markup_is_no_text_but_for_raw_prompts(sentence_pieces: LlamaVocabulary) -> None:
    text = sentence_pieces.model_text()
    (token,) = [t for t in text.of_kind(USER_DEFINED) if text.tokens[t] == b"<tool>"]
    vocabularies = vocabularies_of(text, {"<tool>"})
    assert token in vocabularies.raw.encode("a <tool> b")
    assert token not in vocabularies.chat.encode("a <tool> b")
    assert vocabularies.chat.is_control(token)
    for control in text.of_kind(CONTROL):
        name = text.tokens[control].decode()
        for vocabulary in (vocabularies.chat, vocabularies.raw):
            assert not any(map(vocabulary.is_control, vocabulary.encode(name)))


def test_what_is_not_known_is_refused_by_name() -> None:
    text = ModelText(architecture="x", tokeniser="rwkv", tokens=[b"a"], control_ids=[])
    with pytest.raises(ValueError, match=r"tokeniser \(rwkv\) is not known"):
        vocabularies_of(text)
    text = ModelText(
        architecture="x", tokeniser="gpt2", pre="new", tokens=[b"a"], control_ids=[], kinds=b"\0"
    )
    with pytest.raises(ValueError, match=r"splits text \(new\) is not known"):
        vocabularies_of(text)
