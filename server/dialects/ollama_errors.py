"""Ollama's words for errors: one string, and its own sentences where clients know them by heart."""

import msgspec

from server.core.errors import ErrorKind, ServerError

# What Ollama says itself; the server's own sentence follows.
_BEGINNINGS: dict[ErrorKind, str] = {
    "context_too_long": "the input length exceeds the context length",
    "busy": "server busy, please try again.  maximum pending requests exceeded",
}


def error_text(error: ServerError) -> str:
    beginning = _BEGINNINGS.get(error.kind)
    return f"{beginning}: {error.message}" if beginning else error.message


def error_body(error: ServerError) -> bytes:
    """A whole error reply."""
    return msgspec.json.encode({"error": error_text(error)})


def error_line(error: ServerError) -> bytes:
    """The last line of a stream that fails."""
    return error_body(error) + b"\n"


def refused(message: str, param: str | None = None) -> ServerError:
    return ServerError("invalid", message, param=param)


def lacks(model: str, capability: str, param: str) -> ServerError:
    """The model cannot do what `param` asks for."""
    return refused(f"{model} does not support {capability}", param)


def model_missing(name: str) -> ServerError:
    return ServerError("model_not_found", f"model '{name}' not found", param="model")
