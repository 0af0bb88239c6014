"""Names to engines: aliases, effort suffixes, the default model, and the model for embeddings.

Knows which names exist, not what runs behind them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from server.core.errors import ServerError
from server.core.ports import Embedder, Engine
from server.core.request import Effort

# What clients call gpt-oss-20b, by OpenAI's, Ollama's and their own habits.
# Whose the models are that run here, and those that other servers answer for.
OURS = "gpt-api"
UPSTREAM = "upstream"

GPT_OSS_ALIASES = ("gpt-oss-20b", "gpt-oss:20b", "gpt-oss:latest", "gpt-oss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A served model that writes. `created` is Unix time in seconds; `vision`: it reads pictures;
    `owner`: who runs it.
    """

    name: str
    engine: Engine
    created: int
    aliases: tuple[str, ...] = ()
    vision: bool = False
    owner: str = OURS

    @property
    def told_names(self) -> tuple[str, ...]:
        """The names to tell people: its own, and those of its aliases that Ollama's users write."""
        tagged = (alias for alias in self.aliases if ":" in alias and not alias.endswith(":latest"))
        return tuple(dict.fromkeys((self.name, *tagged)))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderEntry:
    """A served model that makes embeddings. `created` is Unix time in seconds."""

    name: str
    engine: Embedder
    created: int
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a name means: the model, the name as the client wrote it (echoed in the answer), and the
    effort that a suffix `:low`, `:medium` or `:high` asked for.
    """

    entry: Entry
    asked: str
    effort: Effort | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedEmbedder:
    """The model that makes the embeddings, and the name to echo in the answer."""

    entry: EmbedderEntry
    asked: str


class Registry:
    """The served models. `default` is the name that answers when a request names none, and with
    `forgiving` when it names one that is not served. The `embedder` makes the embeddings, whichever
    model that writes they are asked of.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        default: str,
        embedder: EmbedderEntry | None = None,
        *,
        forgiving: bool = False,
    ) -> None:
        self._entries = list(entries)
        self._embedder = embedder
        self._names = {name: entry for entry in entries for name in _names(entry)}
        if default.lower() not in self._names:
            raise ValueError(f"the default model {default} is not served; it knows {self._known()}")
        if embedder is not None and (twice := _names(embedder) & self._names.keys()):
            raise ValueError(f"the name {min(twice)} stands for two models")
        self._default = default
        self._forgiving = forgiving

    def entries(self) -> list[Entry]:
        """The models that write."""
        return list(self._entries)

    def served(self) -> list[Entry | EmbedderEntry]:
        """All models."""
        return [*self._entries, *([self._embedder] if self._embedder else [])]

    @property
    def default_name(self) -> str:
        return self._default

    def default(self) -> Entry:
        return self._names[self._default.lower()]

    def find(self, name: str) -> Resolved | ResolvedEmbedder:
        """The model of that name, whatever it does. Errors: ServerError model_not_found."""
        if self._embedder is not None and self._names_embedder(name):
            return ResolvedEmbedder(entry=self._embedder, asked=name)
        return self.resolve(name)

    def resolve_embedder(self, name: str | None) -> ResolvedEmbedder:
        """The model for embeddings, also under the names of those that write. Errors: ServerError
        not_implemented, model_not_found.
        """
        if self._embedder is None:
            raise ServerError(
                "not_implemented",
                "This server makes no embeddings, for it has no embedding model. To give it one,"
                " set EMBEDDING_MODEL_PATH to a GGUF such as nomic-embed-text-v1.5 or"
                " Qwen3-Embedding, and start it again.",
                code="embeddings_backend_unavailable",
            )
        if name and self._names_embedder(name):
            return ResolvedEmbedder(entry=self._embedder, asked=name)
        # Vectors of different models are worth nothing together: say whose these are.
        self.resolve(name)
        return ResolvedEmbedder(entry=self._embedder, asked=self._embedder.name)

    def resolve(self, name: str | None) -> Resolved:
        """The model of that name, which writes; case does not matter. Errors: ServerError
        model_not_found, invalid for one that makes embeddings.
        """
        if not name:
            return Resolved(entry=self.default(), asked=self._default, effort=None)
        if self._names_embedder(name):
            reason = f"The model {name!r} makes embeddings and cannot write; ask {self._default!r}."
            raise ServerError("invalid", reason, param="model")
        if entry := self._names.get(name.lower()):
            return Resolved(entry=entry, asked=name, effort=None)
        base, _, suffix = name.rpartition(":")
        for effort in get_args(Effort):
            if suffix.lower() == effort and (entry := self._names.get(base.lower())):
                return Resolved(entry=entry, asked=name, effort=effort)
        if self._forgiving:
            # Echoed is the name of what really answers.
            return Resolved(entry=self.default(), asked=self._default, effort=None)
        raise ServerError(
            "model_not_found",
            f"The model {name[:100]!r} does not exist here; this server has {self._known()}.",
            param="model",
        )

    async def start(self) -> None:
        """Begin loading every model; returns at once."""
        for entry in self.served():
            await entry.engine.start()

    async def close(self) -> None:
        # Together: the answers of all of them end at one moment.
        await asyncio.gather(*(entry.engine.close() for entry in self.served()))

    def _names_embedder(self, name: str) -> bool:
        return self._embedder is not None and name.lower() in _names(self._embedder)

    def _known(self) -> str:
        return ", ".join(entry.name for entry in self.served())


def _names(entry: Entry | EmbedderEntry) -> frozenset[str]:
    """Everything that it is called, in lower case; what has no tag may have Ollama's."""
    names = {name.lower() for name in (entry.name, *entry.aliases)}
    return frozenset(names | {f"{name}:latest" for name in names if ":" not in name})
