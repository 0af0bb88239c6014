"""Which format a model speaks by what its file says: harmony, its chat template, or neither."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from server.core.errors import ServerError
from server.core.ports import Ability
from server.core.request import GenerationRequest
from server.formats.base import Format, Ids, Prompt, Rails, Reader
from server.formats.harmony import gpt_oss_format
from server.formats.model_text import USER_DEFINED, ModelText
from server.formats.raw import EitherFormat, RawFormat
from server.formats.tags import Tags, tags_of
from server.formats.template import TemplateFormat
from server.formats.tokenisers import Vocabularies, vocabularies_of
from server.formats.vocabulary import Vocabulary

HARMONY = "gpt-oss"
ALL: tuple[Ability, ...] = ("chat", "tools", "thinking")
# Tokens that are markup however the model file calls them.
_MARKUP = re.compile(r"<\|[^|]*\|>|<｜[^｜]*｜>|\[/?[A-Z_]+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """How a model's words are read and written, and what it can be asked for. `note`: why it is
    not more, for an operator.
    """

    vocabulary: Vocabulary
    format: Format
    abilities: tuple[Ability, ...]
    note: str = ""


def speech_of(text: ModelText, today: Callable[[], date]) -> Speech:
    """The way of a model. Errors: ValueError, with a sentence, for one that cannot be understood
    at all.
    """
    if _speaks_harmony(text):
        vocabulary = Vocabulary.from_tokens(text.tokens, text.control_ids)
        harmony = gpt_oss_format(vocabulary, today)
        return Speech(vocabulary=vocabulary, format=harmony, abilities=ALL)
    vocabularies = vocabularies_of(text, _markup(text))
    try:
        chat = _chat(text, vocabularies, today)
    except ValueError as error:
        return replace(completing(text, vocabularies), note=str(error))
    return Speech(
        vocabulary=vocabularies.chat,
        format=EitherFormat(chat=chat, raw=_raw(text, vocabularies)),
        abilities=_abilities(chat.tags),
    )


def completing(text: ModelText, vocabularies: Vocabularies | None = None) -> Speech:
    """The way of a model that writes texts on, whatever its file says of chats. Errors: as
    `speech_of`.
    """
    found = vocabularies or vocabularies_of(text)
    return Speech(
        vocabulary=found.raw,
        format=EitherFormat(chat=NoChat(), raw=_raw(text, found)),
        abilities=(),
    )


def abilities_of(architecture: str, template: str) -> tuple[Ability, ...]:
    """What a model can be asked for, as far as its file tells before it is loaded."""
    if architecture == HARMONY:
        return ALL
    return _abilities(tags_of(template)) if template else ()


class NoChat:
    """The format of conversations with a model that knows none (`formats.base.Format`)."""

    def prompt(self, request: GenerationRequest) -> Prompt:  # noqa: ARG002
        raise self._refusal()

    def rails(self, request: GenerationRequest, reasoning: int | None = None) -> Rails:  # noqa: ARG002
        raise self._refusal()

    def reader(self, request: GenerationRequest) -> Reader:  # noqa: ARG002
        raise self._refusal()

    def _refusal(self) -> ServerError:
        return ServerError(
            "not_implemented",
            "This model's file brings no chat template that can be used: it writes texts on but"
            " cannot chat; use /v1/completions.",
            param="model",
            code="chat_not_supported",
        )


def _speaks_harmony(text: ModelText) -> bool:
    return text.architecture == HARMONY or {b"<|start|>", b"<|channel|>", b"<|message|>"} <= set(
        text.tokens
    )


def _chat(text: ModelText, vocabularies: Vocabularies, today: Callable[[], date]) -> TemplateFormat:
    if not text.templates:
        raise ValueError("The model file brings no chat template.")
    return TemplateFormat(vocabularies.chat, text, _stops(text), today)


def _raw(text: ModelText, vocabularies: Vocabularies) -> RawFormat:
    return RawFormat(vocabularies.raw, _stops(text), _beginning(text), begins=text.begins)


def _abilities(tags: Tags) -> tuple[Ability, ...]:
    abilities: list[Ability] = ["chat"]
    if tags.calls is not None:
        abilities.append("tools")
    if tags.thinking is not None:
        abilities.append("thinking")
    return tuple(abilities)


def _markup(text: ModelText) -> set[str]:
    """What of the named tokens is markup and not text: what looks like it or the templates write,
    but no blanks.
    """
    source = "\n".join(text.templates.values())
    names = (text.tokens[token].decode("utf-8", "replace") for token in text.of_kind(USER_DEFINED))
    return {
        *tags_of(source).names,
        *(name for name in names if name.strip() and (_MARKUP.fullmatch(name) or name in source)),
    }


def _stops(text: ModelText) -> Ids:
    """What ends an answer, the usual end first."""
    ends = sorted(text.end_ids, key=lambda token: token != text.eos)
    if not ends:
        raise ValueError("The model file names no token that ends an answer.")
    return tuple(ends)


def _beginning(text: ModelText) -> int:
    """What stands before a text of nothing."""
    return text.bos if text.bos >= 0 else _stops(text)[0]
