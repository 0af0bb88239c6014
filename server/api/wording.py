"""Whose words an error gets: those of the dialect that the address belongs to, or that the client
says it reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.datastructures import Headers

from server.core.errors import ErrorKind, ServerError
from server.dialects import anthropic_errors, ollama_errors, openai_errors
from server.dialects.anthropic_models import VERSION_HEADER

_OLLAMA_PATHS = "/api/"
_ANTHROPIC_PATHS = ("/messages", "/messages/count_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """`body` writes an error and the id of its request; `status` holds the kinds that have another
    status in this dialect.
    """

    body: Callable[[ServerError, str], bytes]
    status: Mapping[ErrorKind, int] = field(default_factory=dict)


OPENAI = Wording(body=lambda error, _: openai_errors.error_body(error))
OLLAMA = Wording(body=lambda error, _: ollama_errors.error_body(error))
ANTHROPIC = Wording(body=anthropic_errors.error_body, status=anthropic_errors.STATUS)


def wording(path: str, headers: Headers) -> Wording:
    """The words for errors at this path, for a request with these headers."""
    if path.startswith(_OLLAMA_PATHS):
        return OLLAMA
    anthropics = VERSION_HEADER in headers or path.rstrip("/").endswith(_ANTHROPIC_PATHS)
    return ANTHROPIC if anthropics else OPENAI
