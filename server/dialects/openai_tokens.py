"""Text to token ids and back, in the words of vLLM, llama.cpp and llama-cpp-python at once.

Knows no vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import Field

from server.core.messages import RawPrompt
from server.core.request import GenerationRequest
from server.dialects.base import Rules
from server.dialects.json_body import read
from server.dialects.openai_chat import Asked, to_call
from server.dialects.openai_chat import read_body as read_chat_body
from server.dialects.openai_prompts import to_tokens
from server.dialects.other_fields import OtherFields
from server.dialects.refusals import missing, unsupported
from server.dialects.wire import Flag, Wire

TOKENIZE_FIELDS = OtherFields(
    ignored=frozenset({"add_special", "add_special_tokens"}),
)
_ORDINARY = "text never becomes a control token here; leave it out"
_PIECES = "send 'return_token_strs'"


class TokenizeBody(Wire):
    """Text as `prompt`, `content` or `input`; or `messages` with all that a chat may have, of which
    the whole prompt is tokenised.
    """

    model: str | None = None
    prompt: str | None = None
    content: str | None = None
    input: str | None = None
    messages: list[Any] | None = None
    return_token_strs: Flag | None = None
    add_generation_prompt: Flag | None = Field(default=None, description="true alone")
    parse_special: Flag | None = Field(default=None, description="false alone")
    with_pieces: Flag | None = Field(
        default=None, description="false alone; `return_token_strs` tells them"
    )


class DetokenizeBody(Wire):
    """Token ids of the model's vocabulary."""

    model: str | None = None
    tokens: list[Any]


def read_tokenize_body(raw: bytes) -> TokenizeBody:
    """Errors: ServerError invalid."""
    return read(raw, TokenizeBody)


def read_detokenize_body(raw: bytes) -> DetokenizeBody:
    """Errors: ServerError invalid."""
    return read(raw, DetokenizeBody)


def to_request(body: TokenizeBody, raw: bytes, asked: Asked, rules: Rules) -> GenerationRequest:
    """A request with the prompt to be tokenised. Errors: ServerError invalid."""
    for name, reason in (("parse_special", _ORDINARY), ("with_pieces", _PIECES)):
        if getattr(body, name):
            raise unsupported(name, reason)
    if body.messages is not None:
        if body.add_generation_prompt is False:
            raise unsupported("add_generation_prompt", "it is always there; leave it out")
        return to_call(read_chat_body(raw), asked, rules).requests[0]
    TOKENIZE_FIELDS.check(body, strict=rules.strict_params)
    given = (body.prompt, body.content, body.input)
    text = next((each for each in given if each is not None), None)
    if text is None:
        raise missing("prompt")
    return GenerationRequest(id=asked.id, prompt=RawPrompt(content=text))


def tokens_of(body: DetokenizeBody) -> tuple[int, ...]:
    """Errors: ServerError invalid."""
    return to_tokens(body.tokens, "tokens") if body.tokens else ()


def tokenize_body(
    tokens: Sequence[int], context_length: int | None, spelt: Sequence[bytes] | None
) -> bytes:
    """The ids; with what each of them stands for where it was asked."""
    strings = None if spelt is None else [each.decode("utf-8", "replace") for each in spelt]
    return msgspec.json.encode(
        {
            "count": len(tokens),
            "max_model_len": context_length,
            "tokens": tokens,
            "token_strs": strings,
        }
    )


def count_body(tokens: Sequence[int]) -> bytes:
    """How many ids there are."""
    return msgspec.json.encode({"count": len(tokens)})


def input_tokens_body(tokens: Sequence[int]) -> bytes:
    """The same as OpenAI and llama.cpp word it."""
    return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": len(tokens)})


def detokenize_body(spelt: Sequence[bytes]) -> bytes:
    """The text under each of its names."""
    return msgspec.json.encode(dict.fromkeys(("prompt", "content", "text"), text_of(spelt)))


def text_of(spelt: Sequence[bytes]) -> str:
    """The text that tokens make together; U+FFFD where they make none."""
    return b"".join(spelt).decode("utf-8", "replace")
