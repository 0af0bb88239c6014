"""A model's tokens as raw bytes, and which of them are control tokens or end an answer."""

import ctypes
import re
from dataclasses import dataclass
from typing import Any

import llama_cpp.llama_cpp as llama

PLAIN = llama.LLAMA_TOKEN_ATTR_NORMAL | llama.LLAMA_TOKEN_ATTR_BYTE
NEVER_TEXT = (
    llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN | llama.LLAMA_TOKEN_ATTR_UNUSED
)
# Some converters mark harmony's tokens as user-defined text.
SPECIAL = re.compile(rb"<\|[^|]*\|>")
PIECE_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`tokens[id]` are the bytes of token id; control tokens have their name there."""

    tokens: list[bytes]
    control_ids: list[int]
    end_ids: list[int]


def read_vocabulary(vocab: Any) -> Vocabulary:
    """The vocabulary of a loaded model (`llama_model_get_vocab`)."""
    buffer = ctypes.create_string_buffer(PIECE_BYTES)
    ids = range(llama.llama_vocab_n_tokens(vocab))
    tokens = [_piece(vocab, token, buffer) for token in ids]
    return Vocabulary(
        tokens=tokens,
        control_ids=[token for token in ids if _is_control(vocab, token, tokens[token])],
        end_ids=[token for token in ids if llama.llama_vocab_is_eog(vocab, token)],
    )


def _is_control(vocab: Any, token: int, piece: bytes) -> bool:
    attributes = llama.llama_vocab_get_attr(vocab, token)
    if attributes & NEVER_TEXT:
        return True
    return not attributes & PLAIN and SPECIAL.fullmatch(piece) is not None


def _piece(vocab: Any, token: int, buffer: Any) -> bytes:
    size = llama.llama_token_to_piece(vocab, token, buffer, len(buffer), 0, True)
    if size < 0:
        buffer = ctypes.create_string_buffer(-size)
        size = llama.llama_token_to_piece(vocab, token, buffer, -size, 0, True)
    # Tokens that llama.cpp does not render (padding) have a name all the same.
    piece: bytes = buffer[:size] if size else llama.llama_vocab_get_text(vocab, token)
    return piece
