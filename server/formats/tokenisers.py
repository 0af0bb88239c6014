"""Which tokeniser a model file asks for, made from its tokens. Its ids are llama.cpp's own, where
that splits text as the model's authors do; what it does not know it refuses by name.
"""

import re
from collections.abc import Collection, Iterable

from server.formats.byte_pairs import BytePairs
from server.formats.model_text import BYTE, CONTROL, NORMAL, USER_DEFINED, ModelText
from server.formats.pre_tokenisers import EXPRESSIONS
from server.formats.sentence_pieces import SentencePieces
from server.formats.vocabulary import Encode, Vocabulary


def vocabulary_of(text: ModelText, markup: Collection[str] = ()) -> Vocabulary:
    """The vocabulary of a model. Control tokens and those that spell `markup` are never text.

    Errors: ValueError, with a sentence, for a tokeniser that is not known here.
    """
    marked = {token for token in text.of_kind(USER_DEFINED) if _spelt(text, token) in markup}
    control = {*text.control_ids, *text.of_kind(CONTROL), *marked}
    named = {
        _spelt(text, token): token
        for token in text.of_kind(USER_DEFINED)
        if token not in control and text.tokens[token]
    }
    plain = _plain(text, control)
    return Vocabulary(text.tokens, control, _Named(named, plain).encode if named else plain)


def _plain(text: ModelText, control: Collection[int]) -> Encode:
    """The tokeniser of what lies between named tokens."""
    match text.tokeniser:
        case "gpt2":
            return _byte_pairs(text, control)
        case "llama":
            order = sorted(_spellable(text, control), key=lambda token: -text.scores[token])
            return _sentence_pieces(text, order)
        case "gemma4":
            order = sorted(_spellable(text, control), key=lambda token: _gemma_rank(text, token))
            return _sentence_pieces(text, order, r"[^\n]+|\n+")
    raise ValueError(
        f"The model's tokeniser ({text.tokeniser or 'unnamed'}) is not known here; choose a model"
        " with one of the kinds gpt2, llama or gemma4."
    )


def _byte_pairs(text: ModelText, control: Collection[int]) -> Encode:
    expressions = EXPRESSIONS.get(text.pre)
    if expressions is None:
        raise ValueError(
            f"How the model's tokeniser splits text ({text.pre}) is not known here; choose another"
            " model."
        )
    normal = (token for token in text.of_kind(NORMAL) if token not in control)
    ids = {text.tokens[token]: token for token in normal if text.tokens[token]}
    return BytePairs(ids, expressions).encode


def _sentence_pieces(text: ModelText, order: Iterable[int], expression: str = "(?s:.+)") -> Encode:
    pieces = [(_spelt(text, token), token) for token in order]
    byte_ids = {
        text.tokens[token][0]: token for token in text.of_kind(BYTE) if len(text.tokens[token]) == 1
    }
    return SentencePieces(
        pieces, byte_ids, space_prefix=text.space_prefix, expression=expression
    ).encode


def _gemma_rank(text: ModelText, token: int) -> int:
    """Gemma 4 merges as its vocabulary is ordered, but blanks into the longest run first."""
    data = text.tokens[token]
    return token if data.strip(b" ") else -len(data)


def _spellable(text: ModelText, control: Collection[int]) -> list[int]:
    return [
        token
        for kind in (NORMAL, USER_DEFINED)
        for token in text.of_kind(kind)
        if token not in control and text.tokens[token]
    ]


def _spelt(text: ModelText, token: int) -> str:
    return text.tokens[token].decode("utf-8", "replace")


class _Named:
    """Tokens that text has wherever it spells them, the longest first, as llama.cpp finds them."""

    def __init__(self, named: dict[str, int], between: Encode) -> None:
        self._named = sorted(named.items(), key=lambda item: -len(item[0]))
        self._any = re.compile("|".join(re.escape(name) for name, _ in self._named))
        self._between = between

    def encode(self, text: str) -> list[int]:
        found = set(self._any.findall(text))
        if not found:
            return self._between(text)
        parts: list[str | int] = [text]
        for name, token in self._named:
            if name in text:
                parts = [piece for part in parts for piece in _parted(part, name, token)]
        return [
            token
            for part in parts
            for token in ([part] if isinstance(part, int) else self._between(part))
        ]


def _parted(part: str | int, name: str, token: int) -> Iterable[str | int]:
    """A text with this token wherever it is named."""
    if isinstance(part, int):
        return [part]
    first, *others = part.split(name)
    return [
        first,
        *(each for other in others for each in (token, other)),
    ]
