"""How a model comes: brought here, weighed, and started until it is ready or known to be of no use.

Knows neither what models are for nor when one is wanted.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from server.core.errors import ServerError
from server.core.ports import Backend, Embedder, Engine, EngineStatus, ModelCard

# A model that is not there after this time will not come.
LOAD_LIMIT_S = 3600.0

Say: TypeAlias = Callable[[str], None]


class Settling(Backend, Protocol):
    """A backend that can be waited for."""

    async def settled(self) -> EngineStatus:
        """Its state once it is ready, or known to be unusable."""
        ...


class SettlingEngine(Engine, Settling, Protocol):
    pass


class SettlingEmbedder(Embedder, Settling, Protocol):
    pass


T = TypeVar("T")
Kind = TypeVar("Kind", bound=Settling)
Made = TypeVar("Made", bound=Settling, covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(Generic[Made]):
    """A model whose file is here: the memory that it needs, and how to make its engine."""

    needed_bytes: int
    make: Callable[[], Made]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source(Generic[Made]):
    """Where a model comes from. `prepare` brings its file here, saying how far that is, and may
    take long; `look` tells its facts if that is possible without loading it. Neither is called on
    the event loop's time: `prepare` waits, `look` runs in a thread. Errors of `prepare`:
    ServerError.
    """

    prepare: Callable[[Say], Awaitable[Prepared[Made]]]
    look: Callable[[], ModelCard | None]


class Cancellable(Protocol):
    def cancel(self) -> None: ...


def _call_later(seconds: float, callback: Callable[[], None]) -> Cancellable:
    return asyncio.get_running_loop().call_later(seconds, callback, context=Context())


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How long the model stays when nobody asks any more (negative: for ever), and how long a
    request waits for it to be loaded; in seconds. `now` and `later` are the clock.
    """

    keep_alive_s: float = 300.0
    wait_s: float = 300.0
    now: Callable[[], float] = time.monotonic
    later: Callable[[float, Callable[[], None]], Cancellable] = _call_later


async def started(name: str, engine: Kind) -> Kind:
    """The engine, ready. One that does not become so is closed. Errors: ServerError."""
    ready = False
    try:
        await engine.start()
        status = await asyncio.wait_for(engine.settled(), LOAD_LIMIT_S)
        ready = status.state == "ready"
    except asyncio.TimeoutError:
        status = engine.status()
    finally:
        if not ready:
            await engine.close()
    if not ready:
        raise ServerError(
            "engine_failed", f"The model {name} cannot answer: {status.detail or status.state}"
        )
    return engine


def apart(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that is part of nobody's request: what it logs is not about the first who asked."""
    return Context().run(asyncio.create_task, work)
