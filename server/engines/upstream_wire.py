"""What every wire gives: a request in another server's words, and its reply read into events.

Knows neither HTTP nor any wire's words.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from server.core.errors import ServerError
from server.core.events import Event
from server.core.messages import UserMessage
from server.core.request import GenerationRequest, JsonOutput
from server.engines.upstream_exchange import Outgoing


class Reader(Protocol):
    """Reads one reply. Errors of both methods: ServerError upstream_failed, and what the other
    server tells.
    """

    @property
    def complete(self) -> bool:
        """Whether the answer was said to be over: what may still come are counts."""

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""

    def feed(self, data: bytes) -> Iterator[Event]: ...

    def finish(self) -> Iterator[Event]:
        """What is still to be said; the last event is Finished."""


class Wire(Protocol):
    def outgoing(self, request: GenerationRequest) -> Outgoing:
        """Errors: ServerError invalid for what the wire has no words for."""

    def reader(self, request: GenerationRequest) -> Reader: ...


def lacking(name: str, param: str, what: str) -> ServerError:
    """The wire has no words for what `param` asks for."""
    return ServerError(
        "invalid",
        f"Unsupported parameter: '{param}': the server behind the model {name!r} takes no {what}."
        " Leave it out, or ask another model.",
        param=param,
        code="unsupported_parameter",
    )


def output_param(request: GenerationRequest) -> str:
    """Where the client wrote the form of the answer."""
    return request.output.path if isinstance(request.output, JsonOutput) else "grammar"


def content(message: UserMessage) -> str | list[dict[str, Any]]:
    """What a user says in OpenAI's words, its pictures as they were written."""
    if not message.parts:
        return message.text
    parts: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, str):
            parts.append({"type": "text", "text": part})
        else:
            picture = {"url": part.url} | ({"detail": part.detail} if part.detail else {})
            parts.append({"type": "image_url", "image_url": picture})
    return parts
