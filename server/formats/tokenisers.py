"""Which tokeniser a model file asks for, made from its tokens. Its ids are llama.cpp's own, where
that splits text as the model's authors do; what it does not know it refuses by name.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from server.formats.byte_pairs import BytePairs
from server.formats.model_text import BYTE, CONTROL, NORMAL, USER_DEFINED, ModelText
from server.formats.pre_tokenisers import EXPRESSIONS
from server.formats.sentence_pieces import SentencePieces
from server.formats.vocabulary import Encode, Vocabulary


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabularies:
    """`chat`: what spells markup of the model's chats is never a token of a text. `raw`: it is,
    as llama.cpp has it, where the model file calls it text.
    """

    chat: Vocabulary
    raw: Vocabulary


def vocabularies_of(text: ModelText, markup: Collection[str] = ()) -> Vocabularies:
    """The vocabulary of a model, for chats and for raw prompts.

    Errors: ValueError, with a sentence, for a tokeniser that is not known here.
    """
    control = {*text.control_ids, *text.of_kind(CONTROL)}
    named = {
        _spelt(text, token): token
        for token in text.of_kind(USER_DEFINED)
        if token not in control and text.tokens[token]
    }
    plain = _plain(text, control)
    marked = {name: token for name, token in named.items() if name in markup}
    unmarked = {name: token for name, token in named.items() if name not in markup}
    return Vocabularies(
        chat=_vocabulary(text, control | set(marked.values()), plain.named(unmarked)),
        raw=_vocabulary(text, control, plain.named(named)),
    )


def _vocabulary(text: ModelText, control: Collection[int], tokeniser: "_Tokeniser") -> Vocabulary:
    return Vocabulary(text.tokens, control, tokeniser.encode, tokeniser.encode_on)


@dataclass(frozen=True, slots=True)
class _Tokeniser:
    encode: Encode
    encode_on: Encode

    def named(self, names: dict[str, int]) -> "_Tokeniser":
        """The same, where text that spells one of these names is that token."""
        if not names:
            return self
        named = _Named(names)
        return _Tokeniser(
            lambda text: named.encode(text, self.encode, self.encode),
            lambda text: named.encode(text, self.encode_on, self.encode),
        )


def _plain(text: ModelText, control: Collection[int]) -> _Tokeniser:
    """The tokeniser of what lies between named tokens."""
    normal = [t for t in text.of_kind(NORMAL) if t not in control and text.tokens[t]]
    match text.tokeniser:
        case "gpt2":
            encode = _byte_pairs(text, normal)
            return _Tokeniser(encode, encode)
        case "llama":
            return _sentence_pieces(text, sorted(normal, key=lambda token: -text.scores[token]))
        case "gemma4":
            order = sorted(normal, key=lambda token: _gemma_rank(text, token))
            return _sentence_pieces(text, order, r"[^\n]+|\n+")
    raise ValueError(
        f"The model's tokeniser ({text.tokeniser or 'unnamed'}) is not known here; choose a model"
        " with one of the kinds gpt2, llama or gemma4."
    )


def _byte_pairs(text: ModelText, normal: Iterable[int]) -> Encode:
    expressions = EXPRESSIONS.get(text.pre)
    if expressions is None:
        raise ValueError(
            f"How the model's tokeniser splits text ({text.pre}) is not known here; choose another"
            " model."
        )
    return BytePairs({text.tokens[token]: token for token in normal}, expressions).encode


def _sentence_pieces(
    text: ModelText, order: Iterable[int], expression: str = "(?s:.+)"
) -> _Tokeniser:
    pieces = [(_spelt(text, token), token) for token in order]
    byte_ids = {
        text.tokens[token][0]: token for token in text.of_kind(BYTE) if len(text.tokens[token]) == 1
    }
    made = SentencePieces(pieces, byte_ids, space_prefix=text.space_prefix, expression=expression)
    return _Tokeniser(made.encode, made.encode_on)


def _gemma_rank(text: ModelText, token: int) -> int:
    """Gemma 4 merges as its vocabulary is ordered, but blanks into the longest run first."""
    data = text.tokens[token]
    return token if data.strip(b" ") else -len(data)


def _spelt(text: ModelText, token: int) -> str:
    return text.tokens[token].decode("utf-8", "replace")


class _Named:
    """Tokens that text has wherever it spells them, the longest first, as llama.cpp finds them."""

    def __init__(self, names: dict[str, int]) -> None:
        self._names = sorted(names.items(), key=lambda item: -len(item[0]))
        self._any = re.compile("|".join(re.escape(name) for name, _ in self._names))

    def encode(self, text: str, first: Encode, later: Encode) -> list[int]:
        """`first` tokenises what the text begins with, `later` what comes after such a token."""
        if self._any.search(text) is None:
            return first(text)
        parts: list[str | int] = [text]
        for name, token in self._names:
            if name in text:
                parts = [piece for part in parts for piece in _parted(part, name, token)]
        ids: list[int] = []
        for index, part in enumerate(parts):
            if isinstance(part, int):
                ids.append(part)
            else:
                ids += later(part) if index else first(part)
        return ids


def _parted(part: str | int, name: str, token: int) -> Iterable[str | int]:
    """A text with this token wherever it is named."""
    if isinstance(part, int):
        return [part]
    first, *others = part.split(name)
    return [
        first,
        *(each for other in others for each in (token, other)),
    ]
