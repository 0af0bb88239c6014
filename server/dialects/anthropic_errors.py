"""Anthropic's words for errors, and the statuses in which it differs from everybody else."""

from collections.abc import Mapping
from typing import Any

import msgspec

from server.core.errors import ErrorKind, ServerError
from server.dialects.base import sse

WORDS: Mapping[ErrorKind, str] = {
    "invalid": "invalid_request_error",
    "context_too_long": "invalid_request_error",
    "unauthenticated": "authentication_error",
    "forbidden": "permission_error",
    "not_found": "not_found_error",
    "model_not_found": "not_found_error",
    "too_large": "request_too_large",
    "busy": "overloaded_error",
    "loading": "overloaded_error",
    "insufficient_memory": "overloaded_error",
    "engine_failed": "api_error",
    "upstream_failed": "api_error",
    "not_implemented": "api_error",
    "timeout": "timeout_error",
}
STATUS: Mapping[ErrorKind, int] = {"busy": 529, "loading": 529}


def error_object(error: ServerError, request_id: str) -> dict[str, Any]:
    """`{type: error, error: {type, message}, request_id}`."""
    message = error.message
    if error.kind == "model_not_found":
        # How Anthropic itself begins, and what some clients look for.
        message = f"model: {message}"
    return {
        "type": "error",
        "error": {"type": WORDS[error.kind], "message": message},
        "request_id": request_id,
    }


def error_body(error: ServerError, request_id: str) -> bytes:
    """A whole error reply."""
    return msgspec.json.encode(error_object(error, request_id))


def error_frame(error: ServerError, request_id: str) -> bytes:
    """An error amid a stream."""
    return sse(error_object(error, request_id), event="error")
