"""Text to ids where the vocabulary is SentencePiece's: characters merged into the token that ranks
first, blanks like letters, and the bytes of characters that the vocabulary lacks. Knows nothing of
control tokens.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

import tiktoken

from server.formats.base import Ids
from server.formats.vocabulary import tokenise

BLANK = "\u2581"  # how the vocabulary writes a blank, and what it reads as one
# Characters that are tokenised at once. A text is cut where no token spans.
CHUNK = 8_192
# How far to look for such a place.
WINDOW = 8_192


class SentencePieces:
    """`pieces` are texts of tokens, the first to be merged first, and their ids; `byte_ids` stand
    for what is not among them. With `space_prefix` a blank is put before a text.
    """

    def __init__(
        self,
        pieces: Sequence[tuple[str, int]],
        byte_ids: Mapping[int, int],
        *,
        space_prefix: bool,
        expression: str = "(?s:.+)",
    ) -> None:
        self._space_prefix = space_prefix
        self._texts = [text for text, _ in pieces]
        self._ids: list[Ids] = []
        self._encoding = tiktoken.Encoding(
            "model",
            pat_str=expression,
            mergeable_ranks=self._ranks(pieces, byte_ids),
            special_tokens={},
        )

    def encode(self, text: str) -> list[int]:
        """The ids of any text. Errors: ServerError invalid where the tokeniser gives up."""
        return self.encode_on(" " + text if text and self._space_prefix else text)

    def encode_on(self, text: str) -> list[int]:
        """The ids of a text as it stands, without a blank before it."""
        if not text:
            return []
        text = text.replace(BLANK, " ")
        return [
            token
            for chunk in self._chunks(text)
            for rank in tokenise(self._encoding, chunk)
            for token in self._ids[rank]
        ]

    def _ranks(
        self, pieces: Sequence[tuple[str, int]], byte_ids: Mapping[int, int]
    ) -> dict[bytes, int]:
        """tiktoken merges bytes, a SentencePiece vocabulary characters: so the beginnings of
        characters come first, then whole characters, and then what has several.
        """
        known = dict(reversed(pieces))
        characters = set("".join(known))
        ranks: dict[bytes, int] = {}

        def rank(data: bytes, ids: Ids) -> None:
            if data not in ranks:
                ranks[data] = len(self._ids)
                self._ids.append(ids)

        def spelt(data: bytes) -> Ids:
            return tuple(byte_ids[byte] for byte in data if byte in byte_ids)

        for byte in range(256):
            token = known.get(chr(byte)) if byte < 128 else None
            rank(bytes([byte]), spelt(bytes([byte])) if token is None else (token,))
        wide = sorted(each.encode() for each in characters if ord(each) > 127)
        for data in wide:
            for length in range(2, len(data)):
                rank(data[:length], spelt(data[:length]))
        for data in wide:
            token = known.get(data.decode())
            rank(data, spelt(data) if token is None else (token,))
        for text, token in pieces:
            rank(text.encode(), (token,))
        return ranks

    def _chunks(self, text: str) -> Iterator[str]:
        start = 0
        while len(text) - start > CHUNK:
            end = self._cut(text, start + CHUNK)
            yield text[start:end]
            start = end
        yield text[start:]

    def _cut(self, text: str, at: int) -> int:
        """The next place from here on that no token spans; some place if that is too far."""
        for end in range(at, min(at + WINDOW, len(text))):
            if text[end - 1 : end + 1] not in self._joints:
                return end
        return at

    @cached_property
    def _joints(self) -> frozenset[str]:
        """All pairs of characters that stand side by side in a token."""
        return frozenset(a + b for text in self._texts for a, b in pairwise(text))
