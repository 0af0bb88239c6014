"""The seam between those who ask and those who generate: what every engine can do, whatever runs
behind it.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from server.core.embeddings import EmbeddingRequest, Embeddings
from server.core.events import Event
from server.core.request import GenerationRequest

# An unloaded model is loaded when somebody asks it.
EngineState: TypeAlias = Literal["stopped", "unloaded", "loading", "ready", "restarting", "failed"]

# What a model can be asked for beside writing a text on.
Ability: TypeAlias = Literal["chat", "tools", "thinking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixCounters:
    """What an engine's store of computed prompts did since the model was loaded, and holds now.

    A hit is a prompt whose beginning was there: in the slot that it got, in memory or on disk;
    `tokens` counts what of prompts was there in all. An eviction made room in that tier.
    """

    slot_hits: int = 0
    memory_hits: int = 0
    disk_hits: int = 0
    misses: int = 0
    tokens: int = 0
    snapshots: int = 0
    memory_evictions: int = 0
    disk_evictions: int = 0
    memory_bytes: int = 0
    disk_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeculationCounters:
    """Tokens that were guessed from earlier text since the model was loaded, and those of them that
    the model then drew itself: the others were computed for nothing.
    """

    drafted: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStatus:
    """`detail` is one sentence for an operator: why it is not ready, or what was chosen at load.
    `stalls` counts the steps that held running streams up for longer than was meant. `prefixes` is
    None where the engine keeps none, or has not said yet; `speculation` until something was
    guessed. `silence_s`: seconds since its process gave a sign of life, 0 where there is none.
    `expires_in_s`: seconds after which it is unloaded if nobody asks; None: never.
    """

    state: EngineState
    running: int = 0
    waiting: int = 0
    detail: str = ""
    stalls: int = 0
    prefixes: PrefixCounters | None = None
    speculation: SpeculationCounters | None = None
    silence_s: float = 0.0
    expires_in_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """Facts of a model. `context_length` is what one request may use, prompt and answer together;
    `embedding_length` the numbers in a vector, 0 for a model that makes none. `unclaimed_bytes`:
    what of its memory the system may still call available, such as weights in the page cache. Of a
    model of another server little is known: 0 stands for what is not.
    """

    architecture: str
    description: str
    context_length: int
    training_context_length: int
    parameters: int
    size_bytes: int
    slots: int
    vocabulary_size: int
    demonstration: bool = False
    embedding_length: int = 0
    abilities: tuple[Ability, ...] = ("chat", "tools", "thinking")
    unclaimed_bytes: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """What stands behind a model's name. `start` returns at once; `status` tells how far it is."""

    async def start(self) -> None: ...

    async def close(self) -> None:
        """End every request with an error, then free everything. Safe to call twice."""

    def status(self) -> EngineStatus: ...

    def card(self) -> ModelCard | None:
        """The model's facts; None until they are known, at the latest once it was loaded."""


@runtime_checkable
class Loadable(Protocol):
    """A backend whose model comes and goes."""

    async def load(self, keep_alive_s: float | None = None) -> None:
        """Wait until the model is there. `keep_alive_s`: how long it stays when nobody asks it any
        more, negative: for ever; None: as before. Errors: ServerError loading, busy,
        insufficient_memory, engine_failed.
        """
        ...

    async def unload(self) -> None:
        """Free the model: at once where nobody asks it, else after the last request."""
        ...

    async def retire(self) -> None:
        """Take no more requests; return once those that run have ended, and all is freed."""
        ...


class Engine(Backend, Protocol):
    """Something that answers requests."""

    async def tokenize(self, request: GenerationRequest) -> tuple[int, ...]:
        """The ids of its prompt, without answering it. Errors: ServerError of kind invalid,
        loading, engine_failed, not_implemented.
        """
        ...

    async def detokenize(self, tokens: Sequence[int]) -> tuple[bytes, ...]:
        """The bytes that each token stands for, of a control token its name. Errors: as of
        `tokenize`.
        """
        ...

    def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """Answer one request (grammar of events: `core.events`).

        Everything that can be refused is refused before the first event. Closing the generator
        early cancels. Errors: ServerError of kind invalid, context_too_long, busy, loading,
        engine_failed, upstream_failed, timeout.
        """
        ...


class Embedder(Backend, Protocol):
    """Something that makes vectors of texts."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """All vectors of one request. Cancelling the call cancels the work. Errors: ServerError of
        kind invalid, context_too_long, busy, loading, engine_failed, timeout.
        """
        ...
