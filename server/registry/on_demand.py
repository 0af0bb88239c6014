"""A model that is loaded when it is first asked, and unloaded when nobody has asked for a while.

Knows when a model has to be there, not what it is, nor who else has to go.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Generic

from server.core.embeddings import EmbeddingRequest, Embeddings
from server.core.errors import ServerError
from server.core.events import Event
from server.core.ports import EngineState, EngineStatus, ModelCard
from server.core.request import GenerationRequest
from server.registry.loading import (
    Cancellable,
    Habits,
    Kind,
    Prepared,
    SettlingEmbedder,
    SettlingEngine,
    Source,
    apart,
    started,
)
from server.registry.residency import Residency, unclaimed_bytes

log = logging.getLogger(__name__)

# Who asks for a model that is still being downloaded is told so after this time; that takes long.
FETCH_WAIT_S = 10.0
RETRY_S = 10.0


class OnDemand(Generic[Kind]):
    """`core.ports.Backend` and `core.ports.Loadable` over engines that are made anew for every
    load; a guest of the `residency`. What its engine can do its two kinds below pass on.
    """

    def __init__(
        self, name: str, source: Source[Kind], residency: Residency, habits: Habits
    ) -> None:
        self.name = name
        self._source = source
        self._residency = residency
        self._habits = habits
        self._engine: Kind | None = None
        self._card: ModelCard | None = None
        self._detail = ""
        self._keep_alive_s = habits.keep_alive_s
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._used_at = habits.now()
        self._fetching = False
        self._loading: asyncio.Task[ServerError | None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._timer: Cancellable | None = None
        self._expires_at: float | None = None
        self._refusal: ServerError | None = None

    # --- a backend -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Look at the file; the model is loaded when somebody asks."""
        if self._looking is None:
            self._looking = apart(self._look())

    async def close(self) -> None:
        self._refusal = self._refusal or _shutting_down()
        for task in (self._looking, self._loading):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        self._part()
        if self._leaving is not None:
            await asyncio.wait([self._leaving])

    def status(self) -> EngineStatus:
        if self._engine is not None:
            return replace(self._engine.status(), expires_in_s=self._expires_in_s())
        if self._loading is not None:
            return EngineStatus(state="loading", waiting=self._users, detail=self._detail)
        state: EngineState = "stopped" if self._refusal is not None else "unloaded"
        return EngineStatus(state=state, detail=self._detail)

    def card(self) -> ModelCard | None:
        loaded = None if self._engine is None else self._engine.card()
        return loaded or self._card

    # --- a model that comes and goes -----------------------------------------------------------

    async def load(self, keep_alive_s: float | None = None) -> None:
        async with self.borrowed(keep_alive_s):
            pass

    async def unload(self) -> None:
        if self._engine is not None or self._loading is not None:
            self._keep_alive_s = 0.0
        self._rest()
        if self._leaving is not None:
            await asyncio.wait([self._leaving])

    async def retire(self) -> None:
        self._refusal = ServerError(
            "model_not_found", f"The model {self.name} was removed.", param="model"
        )
        await self._unused.wait()
        await self.close()

    @asynccontextmanager
    async def borrowed(self, keep_alive_s: float | None = None) -> AsyncIterator[Kind]:
        """The engine, loaded, for as long as this lasts. Errors: see `Loadable.load`."""
        if self._refusal is not None:
            raise self._refusal
        if keep_alive_s is not None:
            self._keep_alive_s = keep_alive_s
        self._users += 1
        self._unused.clear()
        self._stay()
        try:
            yield await self._present()
        finally:
            self._users -= 1
            self._used_at = self._habits.now()
            self._rest()

    # --- a guest -------------------------------------------------------------------------------

    @property
    def idle_since(self) -> float | None:
        # One that is leaving is out of the way soon, whoever waits for it to come back.
        idle = self._leaving is not None or (self._engine is not None and not self._users)
        return self._used_at if idle else None

    def unclaimed_bytes(self) -> int | None:
        return None if self._engine is None else unclaimed_bytes(self._engine)

    # --- coming --------------------------------------------------------------------------------

    async def _present(self) -> Kind:
        """The engine once it is there. Whoever stops waiting stops nothing else."""
        while self._engine is None or self._engine.status().state == "failed":
            loading = self._loading or self._begin()
            first_s = min(FETCH_WAIT_S, self._habits.wait_s)
            await asyncio.wait([loading], timeout=first_s)
            if not loading.done() and not self._fetching:
                await asyncio.wait([loading], timeout=self._habits.wait_s - first_s)
            if not loading.done():
                raise self._not_ready()
            if loading.cancelled():
                raise self._refusal or _shutting_down()
            if (failure := loading.result()) is not None:
                raise failure
        return self._engine

    def _begin(self) -> asyncio.Task[ServerError | None]:
        if self._refusal is not None:
            raise self._refusal
        self._loading = apart(self._load())
        return self._loading

    async def _load(self) -> ServerError | None:
        """Returns why it failed, if it did: all who wait are told, and there may be none."""
        try:
            await self._vacate()
            prepared = await self._fetch()
            await self._residency.admit(self, prepared.needed_bytes)
            self._engine = await started(self.name, prepared.make())
            self._card = self._engine.card()
        except ServerError as error:
            self._detail = error.message
            log.warning("model %s was not loaded: %s", self.name, error.message)
            return error
        finally:
            self._loading = None
            self._fetching = False
            if self._engine is None:
                self._keep_alive_s = self._habits.keep_alive_s
                self._residency.leave(self)
            self._rest()
        return None

    async def _vacate(self) -> None:
        """An engine that failed, or is on its way out, has to be gone first."""
        self._part()
        if self._leaving is not None:
            await asyncio.wait([self._leaving])

    async def _fetch(self) -> Prepared[Kind]:
        self._fetching, self._detail = True, ""
        prepared = await self._source.prepare(self._say)
        self._fetching, self._detail = False, ""
        return prepared

    def _say(self, detail: str) -> None:
        self._detail = detail

    def _not_ready(self) -> ServerError:
        return ServerError(
            "loading",
            f"The model {self.name} is being loaded ({self._detail or 'starting'});"
            " try again soon.",
            retry_after=RETRY_S,
        )

    async def _look(self) -> None:
        card = await asyncio.to_thread(self._source.look)
        self._card = self._card or card

    # --- going ---------------------------------------------------------------------------------

    def _stay(self) -> None:
        timer, self._timer, self._expires_at = self._timer, None, None
        if timer is not None:
            timer.cancel()

    def _rest(self) -> None:
        """Nobody may be asking any more: see to it that the model goes in time."""
        if self._users:
            return
        self._unused.set()
        self._stay()
        if self._engine is None:
            return
        if self._keep_alive_s == 0 or self._refusal is not None:
            self._part()
        elif self._keep_alive_s > 0:
            self._expires_at = self._habits.now() + self._keep_alive_s
            self._timer = self._habits.later(self._keep_alive_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        log.info("model %s is unloaded: nobody has asked it for a while", self.name)
        self._part()

    def _part(self) -> None:
        """Let the engine go, from this moment on; `_leaving` tells when it has gone."""
        self._stay()
        engine, self._engine = self._engine, None
        if engine is not None:
            self._card = engine.card() or self._card
            self._keep_alive_s = self._habits.keep_alive_s
            self._leaving = apart(self._end(engine))

    async def _end(self, engine: Kind) -> None:
        try:
            await engine.close()
        finally:
            self._leaving = None
            self._residency.leave(self)

    def _expires_in_s(self) -> float | None:
        if self._keep_alive_s < 0:
            return None
        if self._expires_at is None:
            return self._keep_alive_s
        return max(self._expires_at - self._habits.now(), 0.0)


class OnDemandEngine(OnDemand[SettlingEngine]):
    """`core.ports.Engine` for a model that comes and goes."""

    async def tokenize(self, request: GenerationRequest) -> tuple[int, ...]:
        async with self.borrowed() as engine:
            return await engine.tokenize(request)

    async def detokenize(self, tokens: Sequence[int]) -> tuple[bytes, ...]:
        async with self.borrowed() as engine:
            return await engine.detokenize(tokens)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        async with (
            self.borrowed(request.keep_alive_s) as engine,
            aclosing(engine.generate(request)) as events,
        ):
            async for event in events:
                yield event


class OnDemandEmbedder(OnDemand[SettlingEmbedder]):
    """`core.ports.Embedder` for a model that comes and goes."""

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        async with self.borrowed(request.keep_alive_s) as engine:
            return await engine.embed(request)


def _shutting_down() -> ServerError:
    return ServerError(
        "busy",
        "The server is shutting down; send the request again soon.",
        code="shutting_down",
        retry_after=RETRY_S,
    )
