"""A request for embeddings in Ollama's words -> a core request, and the reply; the older form has
one text and one vector.
"""

from typing import Any

import msgspec

from server.core.embeddings import EmbeddingRequest, Embeddings
from server.core.errors import ServerError
from server.dialects.ollama_body import OllamaEmbedBody
from server.dialects.ollama_errors import refused
from server.dialects.ollama_fields import keep_alive_seconds
from server.dialects.vectors import as_numbers

NOTHING = Embeddings(vectors=(), tokens=())


def to_embedding_request(body: OllamaEmbedBody) -> EmbeddingRequest:
    """Without inputs where there is nothing to embed. Errors: ServerError invalid."""
    if body.dimensions is not None and body.dimensions < 1:
        raise refused("dimensions must be at least 1", "dimensions")
    given = body.prompt if body.input is None else body.input
    return EmbeddingRequest(
        inputs=_texts(given),
        dimensions=body.dimensions,
        truncate=body.truncate is not False,
        keep_alive_s=keep_alive_seconds(body.keep_alive),
    )


def embed_body(model: str, embeddings: Embeddings, seconds: float) -> bytes:
    """The whole reply. Takes tenths of a second for thousands of vectors."""
    vectors = b",".join(as_numbers(vector) for vector in embeddings.vectors)
    rest = {
        "model": model,
        "total_duration": round(seconds * 1e9),
        "load_duration": 0,
        "prompt_eval_count": embeddings.total_tokens,
    }
    return b'{"embeddings":[' + vectors + b"]," + msgspec.json.encode(rest)[1:]


def older_embed_body(embeddings: Embeddings) -> bytes:
    """The reply in the older form."""
    vector = as_numbers(embeddings.vectors[0]) if embeddings.vectors else b"[]"
    return b'{"embedding":' + vector + b"}"


def no_embeddings() -> ServerError:
    return ServerError("not_implemented", "this model does not support embeddings", param="model")


def _texts(given: Any) -> tuple[str, ...]:
    match given:
        case None | "":
            return ()
        case str():
            return (given,)
        case list():
            for index, text in enumerate(given):
                if not isinstance(text, str):
                    raise refused("invalid input type", "input")
                if not text:
                    raise refused(f"input[{index}] is an empty text; leave it out", "input")
            return tuple(given)
    raise refused("invalid input type", "input")
