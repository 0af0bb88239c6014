"""OpenAI's words for log probabilities. Knows no reply that they stand in."""

from collections.abc import Iterable
from typing import Any

from server.core.events import TokenLogprob

# The openai API writes this where a token was impossible; JSON has no infinity.
LEAST_LOGPROB = -9999.0


def token_objects(logprobs: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """One `{token, logprob, bytes, top_logprobs}` a token."""
    return [
        _token_object(token.token, token.logprob)
        | {"top_logprobs": [_token_object(other, logprob) for other, logprob in token.top]}
        for token in logprobs
    ]


def _token_object(token: bytes, logprob: float) -> dict[str, Any]:
    return {
        "token": token.decode("utf-8", "replace"),
        "logprob": max(logprob, LEAST_LOGPROB),
        "bytes": list(token),
    }
