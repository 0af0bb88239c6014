"""Names to engines: aliases, effort suffixes, the default model, and the models for embeddings.

Knows which names exist, not what runs behind them, nor whether it is in memory.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from server.core.errors import ServerError
from server.core.ports import Loadable
from server.core.request import Effort
from server.registry.entries import EmbedderEntry, Entry, Resolved, ResolvedEmbedder, Served


class Registry:
    """The served models. `default` is the name that answers when a request names none, and with
    `forgiving` when it names one that is not served. Embeddings that are asked of a model that
    writes the first of the others makes.
    """

    def __init__(self, entries: Sequence[Served], default: str, *, forgiving: bool = False) -> None:
        self._entries: list[Served] = []
        self._names: dict[str, Served] = {}
        for entry in entries:
            self.enter(entry)
        self._default = default
        self._forgiving = forgiving
        if not isinstance(self._names.get(default.lower()), Entry):
            raise ValueError(f"the default model {default} is not served; it knows {self._known()}")

    def entries(self) -> list[Entry]:
        """The models that write."""
        return [entry for entry in self._entries if isinstance(entry, Entry)]

    def served(self) -> list[Served]:
        """All models."""
        return list(self._entries)

    @property
    def default_name(self) -> str:
        return self._default

    def default(self) -> Entry:
        entry = self._names[self._default.lower()]
        assert isinstance(entry, Entry)
        return entry

    def find(self, name: str) -> Resolved | ResolvedEmbedder:
        """The model of that name, whatever it does. Errors: ServerError model_not_found."""
        if isinstance(entry := self._names.get(name.lower()), EmbedderEntry):
            return ResolvedEmbedder(entry=entry, asked=name)
        return self.resolve(name)

    def resolve_embedder(self, name: str | None) -> ResolvedEmbedder:
        """The model for embeddings, also under the names of those that write. Errors: ServerError
        not_implemented, model_not_found.
        """
        embedders = [entry for entry in self._entries if isinstance(entry, EmbedderEntry)]
        if not embedders:
            raise ServerError(
                "not_implemented",
                "This server makes no embeddings, for it has no embedding model. To give it one,"
                " set EMBEDDING_MODEL_PATH to a GGUF such as nomic-embed-text-v1.5 or"
                " Qwen3-Embedding, and start it again.",
                code="embeddings_backend_unavailable",
            )
        if name and isinstance(entry := self._names.get(name.lower()), EmbedderEntry):
            return ResolvedEmbedder(entry=entry, asked=name)
        # Vectors of different models are worth nothing together: say whose these are.
        self.resolve(name)
        return ResolvedEmbedder(entry=embedders[0], asked=embedders[0].name)

    def resolve_chat(self, name: str | None) -> Resolved:
        """As `resolve`, for a conversation. Errors: also ServerError not_implemented for a model
        that does not chat.
        """
        resolved = self.resolve(name)
        resolved.entry.check_chat()
        return resolved

    def resolve(self, name: str | None) -> Resolved:
        """The model of that name, which writes; case does not matter. Errors: ServerError
        model_not_found, invalid for one that makes embeddings.
        """
        if not name:
            return Resolved(entry=self.default(), asked=self._default, effort=None)
        match self._names.get(name.lower()):
            case Entry() as entry:
                return Resolved(entry=entry, asked=name, effort=None)
            case EmbedderEntry():
                reason = (
                    f"The model {name!r} makes embeddings and cannot write; ask {self._default!r}."
                )
                raise ServerError("invalid", reason, param="model")
        base, _, suffix = name.rpartition(":")
        writer = self._names.get(base.lower())
        for effort in get_args(Effort):
            if suffix.lower() == effort and isinstance(writer, Entry):
                return Resolved(entry=writer, asked=name, effort=effort)
        if self._forgiving:
            # Echoed is the name of what really answers.
            return Resolved(entry=self.default(), asked=self._default, effort=None)
        raise self._unknown(name)

    # --- while the server runs -----------------------------------------------------------------

    def get(self, name: str) -> Served | None:
        """The model of exactly this name, whatever it does."""
        return self._names.get(name.lower())

    def enter(self, entry: Served) -> None:
        """Serve one more model from `start` on. Errors: as of `add`."""
        names = _names(entry)
        if twice := names & self._names.keys():
            raise ValueError(f"the name {min(twice)} stands for two models")
        self._entries.append(entry)
        self._names |= dict.fromkeys(names, entry)

    async def add(self, entry: Served) -> None:
        """Serve one more model. Errors: ValueError where a name of it is taken."""
        self.enter(entry)
        await entry.engine.start()

    def alias(self, alias: str, name: str) -> None:
        """Let the model `name` answer to `alias` too. Errors: ServerError model_not_found; invalid
        where another model has that name.
        """
        entry = self._names.get(name.lower())
        if entry is None:
            raise self._unknown(name)
        taken = {self._names.get(each) for each in _forms(alias)} - {None, entry}
        if taken:
            raise ServerError("invalid", f"The name {alias[:100]!r} is another model's already.")
        if self._names.get(alias.lower()) is None:
            self._replace(entry, replace(entry, copies=(*entry.copies, alias)))

    async def remove(self, name: str) -> None:
        """Forget an alias that was given by `alias`; or else a model, of which everything is freed
        once its requests have ended. Errors: ServerError model_not_found, and invalid for the
        default model.
        """
        entry = self._names.get(name.lower())
        if entry is None:
            raise self._unknown(name)
        kept = tuple(copy for copy in entry.copies if name.lower() not in _forms(copy))
        if kept != entry.copies:
            self._replace(entry, replace(entry, copies=kept))
            return
        if entry is self.default():
            raise ServerError(
                "invalid", f"The model {name!r} is the default model and cannot be removed."
            )
        self._leave(entry)
        if isinstance(entry.engine, Loadable):
            await entry.engine.retire()
        else:
            await entry.engine.close()

    async def start(self) -> None:
        """Begin loading every model that does not wait to be asked; returns at once."""
        for entry in self._entries:
            await entry.engine.start()

    async def close(self) -> None:
        # Together: the answers of all of them end at one moment.
        await asyncio.gather(*(entry.engine.close() for entry in self._entries))

    def _leave(self, entry: Served) -> None:
        self._entries.remove(entry)
        self._forget_names(entry)

    def _replace(self, old: Served, new: Served) -> None:
        self._entries[self._entries.index(old)] = new
        self._forget_names(old)
        self._names |= dict.fromkeys(_names(new), new)

    def _forget_names(self, entry: Served) -> None:
        self._names = {name: other for name, other in self._names.items() if other is not entry}

    def _unknown(self, name: str) -> ServerError:
        return ServerError(
            "model_not_found",
            f"The model {name[:100]!r} does not exist here; this server has {self._known()}.",
            param="model",
        )

    def _known(self) -> str:
        return ", ".join(entry.name for entry in self._entries)


def names_of(name: str, aliases: Sequence[str]) -> frozenset[str]:
    """Everything that a model is called, in lower case; no tag is the same as Ollama's `latest`."""
    return frozenset(form for each in (name, *aliases) for form in _forms(each))


def _names(entry: Served) -> frozenset[str]:
    return names_of(entry.name, (*entry.aliases, *entry.copies))


def _forms(name: str) -> frozenset[str]:
    base = name.lower().removesuffix(":latest")
    return frozenset((base,) if ":" in base else (base, f"{base}:latest"))
