"""The served models, each under its names, and what a name was found to mean.

Knows what may be said of a model, not how it is found.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from server.core.errors import ServerError
from server.core.ports import Embedder, Engine
from server.core.request import Effort

# Whose the models are that run here, and those that other servers answer for.
OURS = "gpt-api"
UPSTREAM = "upstream"

# What clients call gpt-oss-20b, by OpenAI's, Ollama's and their own habits.
GPT_OSS_ALIASES = ("gpt-oss-20b", "gpt-oss:20b", "gpt-oss:latest", "gpt-oss")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the operator says of a model: in words, from which repository it is, of which type its
    numbers are meant to be, on what it is computed, and the context it was given.
    """

    description: str | None = None
    repository: str | None = None
    dtype: str | None = None
    device: str = "auto"
    context_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A served model that writes. `created` is Unix time in seconds. One that does not `chat` can
    only write on after a text; one with `vision` reads pictures. `owner`: who runs it. `copies` are
    names that it was given while the server runs.
    """

    name: str
    engine: Engine
    created: int
    aliases: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    chat: bool = True
    vision: bool = False
    owner: str = OURS
    about: About = field(default_factory=About)

    @property
    def told_names(self) -> tuple[str, ...]:
        """The names to tell people: its own, and those of its aliases that Ollama's users write."""
        tagged = (alias for alias in self.aliases if ":" in alias and not alias.endswith(":latest"))
        return tuple(dict.fromkeys((self.name, *tagged, *self.copies)))

    @property
    def chats(self) -> bool:
        """Whether it can chat, as far as is known before it is loaded."""
        card = self.engine.card()
        return self.chat and (card is None or "chat" in card.abilities)

    def check_chat(self) -> None:
        """Errors: ServerError not_implemented for a model that does not chat."""
        if not self.chats:
            raise ServerError(
                "not_implemented",
                f"The model {self.name!r} writes on after a text and cannot chat;"
                " use /v1/completions.",
                param="model",
                code="chat_not_supported",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderEntry:
    """A served model that makes embeddings. `created` is Unix time in seconds; `copies` are names
    that it was given while the server runs.
    """

    name: str
    engine: Embedder
    created: int
    aliases: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    owner: str = OURS
    about: About = field(default_factory=About)


Served: TypeAlias = Entry | EmbedderEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a name means: the model, the name as the client wrote it, and a suffix's effort."""

    entry: Entry
    asked: str
    effort: Effort | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedEmbedder:
    """The model that makes the embeddings, and the name to echo in the answer."""

    entry: EmbedderEntry
    asked: str
