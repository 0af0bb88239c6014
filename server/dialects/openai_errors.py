"""OpenAI's words for errors. Which HTTP status a kind gets is not known here."""

from collections.abc import Mapping
from typing import Any

import msgspec

from server.core.errors import ErrorKind, ServerError
from server.dialects.base import sse

# kind -> (type, code); an error's own code wins.
WORDS: Mapping[ErrorKind, tuple[str, str]] = {
    "invalid": ("invalid_request_error", "invalid_value"),
    "context_too_long": ("invalid_request_error", "context_length_exceeded"),
    "unauthenticated": ("invalid_request_error", "invalid_api_key"),
    "forbidden": ("permission_error", "permission_denied"),
    "not_found": ("invalid_request_error", "unknown_url"),
    "model_not_found": ("invalid_request_error", "model_not_found"),
    "too_large": ("invalid_request_error", "request_too_large"),
    "busy": ("service_unavailable", "queue_full"),
    "loading": ("service_unavailable", "model_loading"),
    "insufficient_memory": ("service_unavailable", "insufficient_memory"),
    "engine_failed": ("server_error", "server_error"),
    "upstream_failed": ("bad_gateway", "bad_gateway"),
    "not_implemented": ("not_implemented_error", "not_implemented"),
    "timeout": ("timeout", "timeout"),
}


def error_object(error: ServerError) -> dict[str, Any]:
    """`{message, type, param, code}`."""
    type_, code = WORDS[error.kind]
    return {
        "message": error.message,
        "type": type_,
        "param": error.param,
        "code": error.code or code,
    }


def error_body(error: ServerError) -> bytes:
    """A whole error reply. `detail` repeats the message for clients that read FastAPI's shape."""
    return msgspec.json.encode({"error": error_object(error), "detail": error.message})


def error_frame(error: ServerError) -> bytes:
    """An error amid a stream, in the shape that makes the openai package raise."""
    return sse({"error": error_object(error)})
