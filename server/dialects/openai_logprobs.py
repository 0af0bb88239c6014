"""OpenAI's words for log probabilities. Knows no reply that they stand in."""

import codecs
from collections.abc import Iterable
from typing import Any

from server.core.events import TokenLogprob

# The openai API writes this where a token was impossible; JSON has no infinity.
LEAST_LOGPROB = -9999.0

_utf8 = codecs.getincrementaldecoder("utf-8")


def token_objects(logprobs: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """One `{token, logprob, bytes, top_logprobs}` a token."""
    return [
        _token_object(token.token, token.logprob)
        | {"top_logprobs": [_token_object(other, logprob) for other, logprob in token.top]}
        for token in logprobs
    ]


def _token_object(token: bytes, logprob: float) -> dict[str, Any]:
    return {
        "token": _spelt(token),
        "logprob": max(logprob, LEAST_LOGPROB),
        "bytes": list(token),
    }


class LegacyLogprobs:
    """The older form, of plain completions: lists side by side. Counts the characters that were
    written, so that the lists of a stream's chunks continue one another.
    """

    def __init__(self) -> None:
        self._decoder = _utf8("replace")
        self._offset = 0

    def object_of(self, logprobs: Iterable[TokenLogprob]) -> dict[str, Any]:
        """`{tokens, token_logprobs, top_logprobs, text_offset}` of the next tokens. Of alternatives
        that are spelt alike, pieces of characters, the likeliest is shown.
        """
        written: dict[str, Any] = {
            "tokens": [],
            "token_logprobs": [],
            "top_logprobs": [],
            "text_offset": [],
        }
        for token in logprobs:
            written["tokens"].append(_spelt(token.token))
            written["token_logprobs"].append(max(token.logprob, LEAST_LOGPROB))
            written["top_logprobs"].append(_alternatives(token))
            written["text_offset"].append(self._offset)
            self._offset += len(self._decoder.decode(token.token))
        return written


def _alternatives(token: TokenLogprob) -> dict[str, float]:
    """The likeliest tokens, and the one that was drawn."""
    found: dict[str, float] = {}
    for other, logprob in (*token.top, (token.token, token.logprob)):
        found.setdefault(_spelt(other), max(logprob, LEAST_LOGPROB))
    return found


def _spelt(token: bytes) -> str:
    return token.decode("utf-8", "replace")
