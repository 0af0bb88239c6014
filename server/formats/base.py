"""What a model's format can do: turn a request into token ids, and token ids back into events."""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from server.core.events import Event, FinishReason, TokenLogprob
from server.core.request import GenerationRequest

Ids: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Token ids to generate after, and the ids that end the answer. `boundaries` are the numbers of
    first tokens that other prompts may well share.
    """

    tokens: list[int]
    stop_ids: Ids
    boundaries: Ids = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    """What may be drawn until `end` is written: a sentence in llama.cpp's GBNF, JSON of a schema,
    or one of these `choices`.
    """

    kind: Literal["gbnf", "json_schema", "choice"]
    text: str = ""
    choices: tuple[Ids, ...] = ()
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Once what was generated ends with `suffix`, `force` is written and then `grammar` holds; with
    `instead` the suffix's last token is not kept, if it was drawn. No suffix: at the beginning.
    """

    suffix: Ids = ()
    force: Ids = ()
    grammar: Grammar | None = None
    instead: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of an answer between `begin` and `end`; `leave` is written to leave it early."""

    begin: Ids
    end: Ids
    leave: Ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Rails:
    """What holds of an answer while it is drawn. The first rule that matches counts.

    `thinking` is the reasoning, where there may be any; visible text comes after `speech`, which
    is empty where the answer begins with it.
    """

    rules: tuple[Rule, ...] = ()
    thinking: Stretch | None = None
    speech: Ids = ()


class Reader(Protocol):
    """Reads one answer token by token. Any sequence of ids is read; nothing raises, no visible text
    is lost.

    After `finish`, `reason` says how the model ended (a tool call or not; whether it was cut is the
    engine's knowledge), and `warning` what malformed output was mended. `speaks`: another ordinary
    token would be part of what is visible.
    """

    reason: FinishReason
    reasoning_tokens: int
    visible_tokens: int
    speaks: bool
    warning: str | None

    def feed(self, token: int, logprob: TokenLogprob | None = None) -> list[Event]:
        """The part events that this token completes; often none, sometimes several."""

    def follow_up(self) -> list[int]:
        """What to write in the place of the id that ended the turn, so that the model goes on; none
        if its answer may stand. What is fed next is read as what comes after these ids.
        """

    def finish(self) -> list[Event]:
        """What was still held back; closes the open part. Call once, after the last token."""


class Format(Protocol):
    def prompt(self, request: GenerationRequest) -> Prompt:
        """Render a request. Pure and possibly slow: call it off the event loop. Errors: ServerError
        invalid.
        """

    def rails(self, request: GenerationRequest, reasoning: int | None = None) -> Rails:
        """What the answer to this request is held to, when so many tokens may be spent thinking (0:
        the model does not think; None: as the request says). As slow as `prompt`. Errors:
        ServerError invalid.
        """

    def reader(self, request: GenerationRequest) -> Reader:
        """A fresh reader for the answer to this request."""
