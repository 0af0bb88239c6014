"""What a model's format can do: turn a request into token ids, and token ids back into events."""

from dataclasses import dataclass
from typing import Protocol

from server.core.events import Event, FinishReason, TokenLogprob
from server.core.request import GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Token ids to generate after, and the ids that end the answer. `boundaries` are the numbers of
    first tokens that other prompts may well share.
    """

    tokens: list[int]
    stop_ids: tuple[int, ...]
    boundaries: tuple[int, ...] = ()


class Reader(Protocol):
    """Reads one answer token by token. Any sequence of ids is read; nothing raises, no visible text
    is lost.

    After `finish`, `reason` says how the model ended (a tool call or not; whether it was cut is the
    engine's knowledge), and `warning` what malformed output was mended.
    """

    reason: FinishReason
    reasoning_tokens: int
    warning: str | None

    def feed(self, token: int, logprob: TokenLogprob | None = None) -> list[Event]:
        """The part events that this token completes; often none, sometimes several."""

    def finish(self) -> list[Event]:
        """What was still held back; closes the open part. Call once, after the last token."""


class Format(Protocol):
    def prompt(self, request: GenerationRequest) -> Prompt:
        """Render a request. Pure and possibly slow: call it off the event loop. Errors: ServerError
        invalid.
        """

    def reader(self, request: GenerationRequest) -> Reader:
        """A fresh reader for the answer to this request."""
