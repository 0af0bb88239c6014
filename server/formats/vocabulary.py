"""The model's vocabulary: text to token ids and ids to bytes, rebuilt from the model file's tokens.

Knows nothing of messages. Client text never becomes a control token, whatever it spells, and no
text of any length or shape crashes the tokeniser or holds up other threads.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import tiktoken

from server.core.errors import ServerError

# How o200k splits text before it merges bytes (tiktoken_ext.openai_public.o200k_base).
O200K_PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
O200K_SIZE = 199_998
O200K_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

# Places where that pattern is sure to end one piece and begin the next whatever surrounds them, so
# that both sides can be tokenised alone: after a letter or number before punctuation (not the
# apostrophe of "don't") or space, before a space, after a newline, between ASCII letters and
# digits, and inside camelCase (not in the "'lL" of a contraction).
BOUNDARY = re.compile(
    r"(?<=[^\W_])(?=[\s!-&(-/:-@\[-`{-~\u2010-\u2027\u3001-\u3003\u3008-\u3011\uff01-\uff0f])"
    r"|(?<=\S)(?= )"
    r"|(?<=\n)(?=[^\s/])"
    r"|(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])"
    r"|(?<=[a-z][a-z])(?=[A-Z])"
)
# Control tokens are spelled so. llama.cpp calls some of them text ("user defined"), which must not
# make them reachable for text, nor visible.
_MARKUP = re.compile(rb"<\|\w+\|>")

# Characters. A run of one kind (letters, blanks, punctuation) that spans two windows is cut: beyond
# a million tiktoken panics, and merging takes more than linear time (before 0.13 its square).
WINDOW = 12_500
CHUNK = 100_000


# Ordinary ids of any text. Errors: ServerError invalid.
Encode: TypeAlias = Callable[[str], list[int]]


class Vocabulary:
    """Tokens by id; `encode` makes ordinary ids of text, and `go_on` of text that stands after
    other text, where that is not the same. Immutable; safe to use from several threads.
    """

    def __init__(
        self,
        tokens: Sequence[bytes],
        control_ids: Collection[int],
        encode: Encode,
        go_on: Encode | None = None,
    ) -> None:
        self._tokens = tuple(tokens)
        self._control_ids = frozenset(control_ids)
        self._specials = {_spell(tokens[i]): i for i in sorted(control_ids, reverse=True)}
        self._encode = encode
        self._go_on = go_on or encode

    @classmethod
    def from_tokens(cls, tokens: Sequence[bytes], control_ids: Collection[int]) -> "Vocabulary":
        """gpt-oss's vocabulary, or one that is made like it, of raw tokens in order of id. Errors:
        ValueError if it cannot spell every byte.
        """
        markup = {i for i, token in enumerate(tokens) if _MARKUP.fullmatch(token)}
        control = markup.union(i for i in control_ids if 0 <= i < len(tokens))
        ranks = {token: i for i, token in enumerate(tokens) if token and i not in control}
        _check_bytes(ranks)
        encoding = tiktoken.Encoding(
            "model", pat_str=O200K_PATTERN, mergeable_ranks=ranks, special_tokens={}
        )
        return cls(tokens, control, lambda text: _encoded(encoding, text))

    @property
    def size(self) -> int:
        return len(self._tokens)

    @cached_property
    def is_o200k(self) -> bool:
        """Whether the ordinary tokens are OpenAI's o200k_base, byte for byte. Takes 0.2 s once."""
        if self.size < O200K_SIZE or any(i < O200K_SIZE for i in self._control_ids):
            return False
        digest = hashlib.sha256()
        for i, token in enumerate(self._tokens[:O200K_SIZE]):
            digest.update(b"%b %d\n" % (base64.b64encode(token), i))
        return digest.hexdigest() == O200K_SHA256

    @property
    def specials(self) -> Mapping[str, int]:
        """The control tokens by their text."""
        return self._specials

    def special(self, text: str) -> int:
        """The id of the control token with this text. Errors: ValueError if there is none."""
        try:
            return self._specials[text]
        except KeyError:
            raise ValueError(f"The model's vocabulary has no control token {text}.") from None

    def is_control(self, token: int) -> bool:
        return token in self._control_ids

    def bytes_of(self, token: int) -> bytes:
        """A token's bytes; of a control token its name (<|end|>), of an unknown id nothing."""
        return self._tokens[token] if 0 <= token < len(self._tokens) else b""

    def encode(self, text: str) -> list[int]:
        """The ids of any text, all ordinary; lone surrogates are read as U+FFFD.

        Exactly tiktoken's, except in runs of more than 25,000 characters of one kind. About 10 MB
        a second: call it off the event loop.
        """
        return self._encode(text)

    def encode_on(self, text: str) -> list[int]:
        """The same, of a text that others stand before: no blank is put there."""
        return self._go_on(text)


def _encoded(encoding: tiktoken.Encoding, text: str) -> list[int]:
    return [token for chunk in chunks(text, BOUNDARY) for token in tokenise(encoding, chunk)]


def tokenise(encoding: tiktoken.Encoding, text: str) -> list[int]:
    """Ordinary ids of one chunk. Errors: ServerError invalid where the tokeniser gives up."""
    try:
        return encoding.encode_ordinary(text)
    except BaseException as error:
        # A Rust panic is no Exception and would take the event loop with it.
        if type(error).__name__ != "PanicException":
            raise
        raise ServerError("invalid", "The text cannot be tokenised; split it up.") from error


def chunks(text: str, boundary: Any) -> Iterator[str]:
    """A text in chunks that can be tokenised alone."""
    start = 0
    for end in cuts(text, boundary):
        yield text[start:end]
        start = end


def cuts(text: str, boundary: Any = BOUNDARY) -> Iterator[int]:
    """Where to cut a text into chunks: the end of each, ascending, the last one its length. At a
    `boundary` (an expression) both sides can be tokenised alone.

    Looks at one window at a time, so that other threads get their turn in between.
    """
    size = len(text)
    last = barren = 0
    for window in range(0, size - WINDOW, WINDOW):
        end = window + WINDOW
        found = boundary.search(text, window, end + 1)
        barren = 0 if found else barren + 1
        if barren == 2:
            last, barren = end, 0
            yield end
        elif found and found.start() - last >= CHUNK:
            last = found.start()
            yield last
    yield size


def _spell(token: bytes) -> str:
    return token.decode("utf-8", "replace")


def _check_bytes(ranks: dict[bytes, int]) -> None:
    missing = [value for value in range(256) if bytes([value]) not in ranks]
    if missing:
        raise ValueError(
            f"The model's vocabulary has no token for the byte 0x{missing[0]:02x}; "
            "the file is damaged or its tokens are not byte-level BPE."
        )
