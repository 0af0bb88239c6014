"""Names to engines: aliases, effort suffixes, the default model.

Knows which names exist, not what runs behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from server.core.errors import ServerError
from server.core.ports import Engine
from server.core.request import Effort

# What clients call gpt-oss-20b, by OpenAI's, Ollama's and their own habits.
GPT_OSS_ALIASES = ("gpt-oss-20b", "gpt-oss:20b", "gpt-oss:latest", "gpt-oss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A served model. `created` is Unix time in seconds."""

    name: str
    engine: Engine
    created: int
    aliases: tuple[str, ...] = ()

    @property
    def told_names(self) -> tuple[str, ...]:
        """The names to tell people: its own, and those of its aliases that Ollama's users write."""
        tagged = (alias for alias in self.aliases if ":" in alias and not alias.endswith(":latest"))
        return tuple(dict.fromkeys((self.name, *tagged)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What a name means: the model, the name as the client wrote it (echoed in the answer), and the
    effort that a suffix `:low`, `:medium` or `:high` asked for.
    """

    entry: Entry
    asked: str
    effort: Effort | None


class Registry:
    """The served models. `default` is the name that answers when a request names none, and with
    `forgiving` when it names one that is not served.
    """

    def __init__(self, entries: Sequence[Entry], default: str, *, forgiving: bool = False) -> None:
        self._entries = list(entries)
        self._names = {name: entry for entry in entries for name in _names(entry)}
        if default.lower() not in self._names:
            raise ValueError(f"the default model {default} is not served; it knows {self._known()}")
        self._default = default
        self._forgiving = forgiving

    def entries(self) -> list[Entry]:
        return list(self._entries)

    @property
    def default_name(self) -> str:
        return self._default

    def default(self) -> Entry:
        return self._names[self._default.lower()]

    def resolve(self, name: str | None) -> Resolved:
        """The model of that name; case does not matter. Errors: ServerError model_not_found."""
        if not name:
            return Resolved(entry=self.default(), asked=self._default, effort=None)
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
        for entry in self._entries:
            await entry.engine.start()

    async def close(self) -> None:
        for entry in self._entries:
            await entry.engine.close()

    def _known(self) -> str:
        return ", ".join(entry.name for entry in self._entries)


def _names(entry: Entry) -> frozenset[str]:
    """Everything that it is called, in lower case; what has no tag may have Ollama's."""
    names = {name.lower() for name in (entry.name, *entry.aliases)}
    return frozenset(names | {f"{name}:latest" for name in names if ":" not in name})
