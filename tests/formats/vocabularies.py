"""Vocabularies for the tests: the bundled model's, and OpenAI's where its file is at hand."""

import base64
import ctypes
import os
import re
from functools import cache
from pathlib import Path

import llama_cpp
import tiktoken

from server.formats.vocabulary import O200K_PATTERN, Vocabulary

ROOT = Path(__file__).parents[2]
TINY = ROOT / "models" / "gpt-oss-tiny.gguf"
DATA = Path(os.environ.get("TIKTOKEN_ENCODINGS_BASE") or ROOT.parent / "shared" / "data")
RANKS = DATA / "o200k_base.tiktoken"

_MARKER = re.compile(r"(<\|\w+\|>)")
_NAMED = {
    199998: "<|startoftext|>",
    199999: "<|endoftext|>",
    200002: "<|return|>",
    200003: "<|constrain|>",
    200005: "<|channel|>",
    200006: "<|start|>",
    200007: "<|end|>",
    200008: "<|message|>",
    200012: "<|call|>",
    200018: "<|endofprompt|>",
}


class TinyModel:
    """The bundled model's vocabulary as llama.cpp has it, without the weights."""

    def __init__(self) -> None:
        self._quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self._quiet, ctypes.c_void_p(0))
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self._model = llama_cpp.llama_model_load_from_file(str(TINY).encode(), params)
        assert self._model, f"{TINY} cannot be loaded"
        self._vocab = llama_cpp.llama_model_get_vocab(self._model)
        size = llama_cpp.llama_vocab_n_tokens(self._vocab)
        normal = llama_cpp.LLAMA_TOKEN_ATTR_NORMAL
        attrs = [llama_cpp.llama_vocab_get_attr(self._vocab, i) for i in range(size)]
        self.control_ids = [i for i, attr in enumerate(attrs) if not attr & normal]
        texts = [llama_cpp.llama_vocab_get_text(self._vocab, i).decode() for i in range(size)]
        self.tokens = [
            text.encode() if i in self.control_ids else _bytes_of_gpt2_text(text)
            for i, text in enumerate(texts)
        ]

    def tokenize(self, text: str) -> list[int]:
        """llama.cpp's own tokens of a text without markup."""
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 8))()
        count = llama_cpp.llama_tokenize(
            self._vocab, data, len(data), room, len(room), False, False
        )
        assert count >= 0
        return list(room[:count])


@cache
def tiny_model() -> TinyModel:
    return TinyModel()


@cache
def tiny_vocabulary() -> Vocabulary:
    model = tiny_model()
    return Vocabulary.from_tokens(model.tokens, model.control_ids)


@cache
def real_vocabulary() -> Vocabulary:
    """gpt-oss's vocabulary from OpenAI's file."""
    lines = [line.split() for line in RANKS.read_bytes().splitlines()]
    tokens = [base64.b64decode(token) for token, _ in sorted(lines, key=lambda line: int(line[1]))]
    for i in range(len(tokens), 201_088):
        tokens.append(_NAMED.get(i, f"<|reserved_{i}|>").encode())
    return Vocabulary.from_tokens(tokens, range(199_998, 201_088))


def plain_encoding(vocabulary: Vocabulary) -> tiktoken.Encoding:
    """tiktoken itself with the same ordinary tokens."""
    ordinary = [i for i in range(vocabulary.size) if not vocabulary.is_control(i)]
    ranks = {vocabulary.bytes_of(i): i for i in ordinary}
    return tiktoken.Encoding(
        "plain", pat_str=O200K_PATTERN, mergeable_ranks=ranks, special_tokens={}
    )


def spell(vocabulary: Vocabulary, text: str) -> list[int]:
    """The ids of a text in which <|markers|>, and all that is spelled like one of the vocabulary's
    control tokens, stand for themselves.
    """
    ids: list[int] = []
    for piece in filter(None, re.split(_markers(vocabulary), text)):
        if _MARKER.fullmatch(piece) or piece in vocabulary.specials:
            ids.append(vocabulary.special(piece))
        else:
            ids += vocabulary.encode(piece)
    return ids


def _markers(vocabulary: Vocabulary) -> str:
    others = sorted(vocabulary.specials, key=len, reverse=True)
    return "|".join([_MARKER.pattern, *(f"({re.escape(name)})" for name in others if name)])


def unspell(vocabulary: Vocabulary, ids: list[int]) -> str:
    return b"".join(map(vocabulary.bytes_of, ids)).decode()


def _bytes_of_gpt2_text(text: str) -> bytes:
    return bytes(_gpt2_bytes()[character] for character in text)


@cache
def _gpt2_bytes() -> dict[str, int]:
    """GGUF files spell bytes as GPT-2 did: printable ones as themselves, others from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [value for value in range(256) if value not in plain]
    table = {chr(value): value for value in plain}
    return table | {chr(0x100 + i): value for i, value in enumerate(others)}
