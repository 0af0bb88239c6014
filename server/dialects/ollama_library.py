"""Ollama's words for adding and removing models: what is asked, and how far a download is.

Knows neither models nor where they come from.
"""

from collections.abc import Mapping

import msgspec
from pydantic import Field

from server.core.errors import ServerError
from server.dialects.ollama_errors import refused
from server.dialects.wire import Flag, Wire

SUCCESS = "success"
# What Ollama says when everything is here, one line each.
ENDING = ("verifying sha256 digest", "writing manifest", SUCCESS)

# What making a model of another one may say here and may not.
REFUSED: Mapping[str, str] = {
    "template": "this server writes the model's own format",
    "system": "send a system message with the request",
    "parameters": "send them as options with the request",
    "messages": "send them with the request",
    "adapters": "this server applies none",
    "quantize": "this server quantises nothing; pull a quantised file",
    "quantization": "this server quantises nothing; pull a quantised file",
    "modelfile": "this server reads none; send `from`",
    "files": "put the file into MODELS_DIR and name it in MODEL_REGISTRY_PATH, or pull it",
}


class PullBody(Wire):
    """Which model to download; older clients say `name`."""

    model: str | None = None
    name: str | None = None
    stream: Flag | None = Field(default=None, description="true unless it is false")


class DeleteBody(Wire):
    """Which model or copy to remove; older clients say `name`."""

    model: str | None = None
    name: str | None = None


class CopyBody(Wire):
    """A model, and one more name for it."""

    source: str | None = None
    destination: str | None = None


class CreateBody(Wire):
    """A new name for a model that is here: `from` it, as it is."""

    model: str | None = None
    name: str | None = None
    from_: str | None = Field(default=None, alias="from")
    stream: Flag | None = Field(default=None, description="true unless it is false")


IGNORED = frozenset({"insecure", "username", "password", "license", "info"})


def check_create(body: CreateBody) -> None:
    """Errors: ServerError invalid for what would make another model than that it is made from."""
    for field, reason in REFUSED.items():
        if (body.model_extra or {}).get(field):
            raise refused(f"{field} is not supported: {reason}", field)


def required(value: str | None, field: str) -> str:
    """Errors: ServerError invalid."""
    if not value:
        raise refused(f"{field} is required", field)
    return value


def named(body: PullBody | DeleteBody | CreateBody) -> str:
    """Errors: ServerError invalid where it names none."""
    return required(body.model or body.name, "model")


def push_refused() -> ServerError:
    return refused("models are not pushed from here; publish the GGUF on a hub", "model")


def status_line(status: str) -> bytes:
    """One line of a stream."""
    return status_body(status) + b"\n"


def status_body(status: str) -> bytes:
    """A whole reply."""
    return msgspec.json.encode({"status": status})


def pulling_line(sha256: str | None, total: int, completed: int) -> bytes:
    """How many bytes are here; those who show it tell files apart by their digest."""
    digest = sha256 or "0" * 64
    frame = {
        "status": f"pulling {digest[:12]}",
        "digest": f"sha256:{digest}",
        "total": total,
        "completed": completed,
    }
    return msgspec.json.encode(frame) + b"\n"
