"""Prompts as OpenAI's clients write them: a text, token ids, or several of either.

Knows neither a vocabulary nor what becomes of the prompts.
"""

from typing import Any

from server.core.messages import RawPrompt
from server.dialects.refusals import invalid_value

# Above any vocabulary; larger numbers would not fit into a frame to the worker.
TOKEN_LIMIT = 1 << 31


def to_prompts(given: Any, suffix: str = "") -> tuple[RawPrompt, ...]:
    """The prompts in order, at least one. Errors: ServerError invalid, `param` naming the place."""
    match given:
        case str():
            return (RawPrompt(content=given, suffix=suffix),)
        case [int(), *_]:
            return (RawPrompt(content=to_tokens(given, "prompt"), suffix=suffix),)
        case [first, *_]:
            take = _text if isinstance(first, str) else to_tokens
            paths = [f"prompt[{index}]" for index in range(len(given))]
            return tuple(
                RawPrompt(content=take(each, path), suffix=suffix, path=path)
                for each, path in zip(given, paths, strict=True)
            )
    raise invalid_value("prompt", "it must be a text, a list of texts, or token ids")


def to_tokens(given: Any, path: str) -> tuple[int, ...]:
    """Token ids, at least one. Errors: ServerError invalid."""
    if not isinstance(given, list):
        raise invalid_value(path, "it must be a list of token ids")
    if not given:
        raise invalid_value(path, "it is an empty list")
    for index, token in enumerate(given):
        if type(token) is not int or not 0 <= token < TOKEN_LIMIT:
            raise invalid_value(f"{path}[{index}]", "it must be a token id, a whole number")
    return tuple(given)


def _text(given: Any, path: str) -> str:
    if not isinstance(given, str):
        raise invalid_value(path, "it must be a text, like the prompts before it")
    return given
