"""A request for embeddings in OpenAI's words -> a core request, and the reply with the vectors.

Checks what a request says by itself; how long an input may be, and how long a vector is, the
embedder knows.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from pydantic import Field, WithJsonSchema

from server.core.embeddings import EmbeddingRequest, Embeddings, Input
from server.core.errors import ServerError
from server.dialects.base import Rules
from server.dialects.json_body import read
from server.dialects.refusals import invalid_value
from server.dialects.vectors import as_base64, as_numbers
from server.dialects.wire import Flag, Whole, Wire

MAX_INPUTS = 2048
# Above any vocabulary; larger numbers would not fit into a frame to the worker.
TOKEN_LIMIT = 1 << 31
# Fields that change nothing in a vector: taken and not used.
IGNORED = frozenset({"user"})

Encoding = Literal["float", "base64"]
_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}
# Looked at by hand: among four shapes a long list with a slip would be reported four times over,
# once for each of its elements.
_INPUT_SCHEMA = {
    "anyOf": [
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": MAX_INPUTS},
        _TOKENS,
        {"type": "array", "items": _TOKENS, "maxItems": MAX_INPUTS},
    ]
}


class EmbeddingsBody(Wire):
    """A request for embeddings. `input`: a text, several, or token ids of the embedding model.
    `truncate` is this server's own: read no more of an input than the model can.
    """

    model: str | None = None
    input: Annotated[Any, WithJsonSchema(_INPUT_SCHEMA)]
    encoding_format: Encoding | None = None
    dimensions: Whole | None = Field(default=None, ge=1, lt=TOKEN_LIMIT)
    truncate: Flag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingCall:
    """What a client wants: the request, and the form of the vectors in the reply. `unknown` names
    the fields that nobody knows; they were ignored.
    """

    request: EmbeddingRequest
    encoding: Encoding
    unknown: tuple[str, ...] = ()


def read_embeddings_body(raw: bytes) -> EmbeddingsBody:
    """Errors: ServerError invalid."""
    return read(raw, EmbeddingsBody)


def to_embedding_call(body: EmbeddingsBody, rules: Rules) -> EmbeddingCall:
    """Errors: ServerError invalid, `param` naming the field."""
    unknown = tuple(sorted((body.model_extra or {}).keys() - IGNORED))
    if unknown and rules.strict_params:
        raise ServerError(
            "invalid",
            f"Unknown parameter: '{unknown[0]}'; leave it out.",
            param=unknown[0],
            code="unknown_parameter",
        )
    request = EmbeddingRequest(
        inputs=_inputs(body.input), dimensions=body.dimensions, truncate=bool(body.truncate)
    )
    return EmbeddingCall(request=request, encoding=body.encoding_format or "float", unknown=unknown)


def embeddings_body(model: str, call: EmbeddingCall, embeddings: Embeddings) -> bytes:
    """The whole reply. Takes tenths of a second for thousands of vectors as numbers."""
    form = as_base64 if call.encoding == "base64" else as_numbers
    data = b",".join(
        b'{"object":"embedding","index":%d,"embedding":%b}' % (index, form(vector))
        for index, vector in enumerate(embeddings.vectors)
    )
    tokens = embeddings.total_tokens
    rest = {"model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return b'{"object":"list","data":[' + data + b"]," + msgspec.json.encode(rest)[1:]


def _inputs(given: Any) -> tuple[Input, ...]:
    """The inputs, none of them empty; a list of token ids is one of them."""
    match given:
        case str():
            return (_text(given, "input"),)
        case []:
            raise invalid_value("input", "it is an empty list; send at least one text")
        case [int(), *_]:
            return (_tokens(given, "input"),)
        case [*items]:
            if len(items) > MAX_INPUTS:
                reason = f"it has {len(items)} inputs, and {MAX_INPUTS} are the most in one request"
                raise invalid_value("input", reason)
            take = _text if isinstance(items[0], str) else _tokens
            return tuple(take(item, f"input[{index}]") for index, item in enumerate(items))
    raise invalid_value("input", "it must be a text, a list of texts, or token ids")


def _text(given: Any, path: str) -> str:
    if not isinstance(given, str):
        raise invalid_value(path, "it must be a text, like the inputs before it")
    if not given:
        raise invalid_value(path, "it is an empty text; leave it out")
    return given


def _tokens(given: Any, path: str) -> tuple[int, ...]:
    if not isinstance(given, list):
        raise invalid_value(path, "it must be a text or a list of token ids")
    if not given:
        raise invalid_value(path, "it is an empty list; leave it out")
    for index, token in enumerate(given):
        if type(token) is not int or not 0 <= token < TOKEN_LIMIT:
            raise invalid_value(f"{path}[{index}]", "it must be a token id, a whole number")
    return tuple(given)
