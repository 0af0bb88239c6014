"""A vector in JSON: its numbers, or its bytes in base64. Vectors are little-endian float32."""

import sys
from array import array
from base64 import b64encode

import msgspec


def as_numbers(vector: bytes) -> bytes:
    """A JSON array."""
    values = array("f", vector)
    if sys.byteorder == "big":
        values.byteswap()
    return msgspec.json.encode(values.tolist())


def as_base64(vector: bytes) -> bytes:
    """A JSON string."""
    return b'"' + b64encode(vector) + b'"'
