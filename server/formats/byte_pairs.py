"""Text to ids where the vocabulary is byte-level BPE: split by expressions, then bytes merged into
the token that stands first in the vocabulary. Knows nothing of control tokens.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import regex
import tiktoken

from server.formats.vocabulary import chunks, tokenise

# Where all these vocabularies end one piece and begin the next: before a blank between letters.
_LETTER = r"[A-Za-z\u0391-\u03a9\u03b1-\u03c9\u0410-\u044f]"
_BOUNDARY = regex.compile(rf"(?<={_LETTER})(?= {_LETTER})")
_WHOLE = "(?s:.+)"


class BytePairs:
    """`ids` of tokens by their bytes; `expressions` as in `pre_tokenisers`.

    Errors: ValueError for an expression that cannot be compiled.
    """

    def __init__(self, ids: Mapping[bytes, int], expressions: Sequence[str]) -> None:
        # The bytes that no UTF-8 has are missing in some vocabularies: llama.cpp leaves them out.
        missing = [bytes([b]) for b in range(256) if bytes([b]) not in ids]
        self._size = 1 + max(ids.values())
        ranks = {**ids, **{byte: self._size + n for n, byte in enumerate(missing)}}
        *before, last = expressions
        self._splits = [regex.compile(each) for each in ([*before, last] if before else [])]
        self._encoding = tiktoken.Encoding(
            "model",
            pat_str=_WHOLE if before else last,
            mergeable_ranks=ranks,
            special_tokens={},
        )

    def encode(self, text: str) -> list[int]:
        """The ids of any text. Errors: ServerError invalid where the tokeniser gives up."""
        ids: list[int] = []
        for chunk in chunks(text, _BOUNDARY):
            for piece in self._pieces(chunk):
                ids += tokenise(self._encoding, piece)
        return [token for token in ids if token < self._size]

    def _pieces(self, text: str) -> Iterable[str]:
        pieces: Iterable[str] = (text,)
        for expression in self._splits:
            pieces = [part for piece in pieces for part in _split(expression, piece)]
        return pieces


def _split(expression: Any, text: str) -> Iterator[str]:
    """What it matches, and what lies between."""
    end = 0
    for found in expression.finditer(text):
        if found.start() > end:
            yield text[end : found.start()]
        if found.end() > found.start():
            yield found.group()
        end = found.end()
    if end < len(text):
        yield text[end:]
