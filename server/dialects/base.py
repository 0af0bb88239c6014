"""What every dialect gives: a call read from a client's words, and a reply written in them.

Knows neither HTTP nor where the events come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from server.core.errors import ServerError
from server.core.events import Answer, Event
from server.core.request import Effort, GenerationRequest


class Rules(Protocol):
    """What the operator allows and prefers; `None` means no limit."""

    @property
    def effort_default(self) -> Effort: ...
    @property
    def n_limit(self) -> int: ...
    @property
    def stop_limit(self) -> int: ...
    @property
    def output_tokens_limit(self) -> int | None: ...
    @property
    def strict_params(self) -> bool: ...
    @property
    def reasoning_alias(self) -> bool: ...
    @property
    def ollama_truncate(self) -> bool: ...
    @property
    def completions_as_chat(self) -> bool: ...


class Reply(Protocol):
    """One reply in a dialect's words, streamed or whole; keeps the state of one stream.

    `index` is the choice that an event belongs to, from 0.
    """

    def frames(self, index: int, event: Event) -> bytes:
        """The bytes for one event; empty when the dialect has no words for it."""

    def end(self) -> bytes:
        """What follows the last event of the last choice."""

    def failure(self, error: ServerError) -> bytes:
        """What ends a stream that fails after it began."""

    def body(self, answers: Sequence[Answer]) -> bytes:
        """The whole reply, one answer a choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a client wants: one request a choice, and how to word the reply.

    `unknown` names the fields that nobody knows; they were ignored. A stream is of `media_type`,
    and gets `ping` when it is silent for long; None: never.
    """

    requests: tuple[GenerationRequest, ...]
    stream: bool
    reply: Reply
    unknown: tuple[str, ...] = ()
    media_type: str = "text/event-stream"
    ping: bytes | None = b": ping\n\n"


def sse(data: Any, event: str = "") -> bytes:
    """One server-sent event with `data` as JSON, with a name where the dialect gives them one."""
    name = b"event: " + event.encode() + b"\n" if event else b""
    return name + b"data: " + msgspec.json.encode(data) + b"\n\n"
