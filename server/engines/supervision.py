"""A worker process that is started, watched and started again: what all engines of this machine
share. What it says once it has loaded its model is the session's business.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeAlias, TypeVar

import msgspec

from server.core.errors import ServerError
from server.core.ports import EngineState
from server.engines.endings import closing, died, failed, may_recover
from server.engines.link import WorkerLink
from server.worker.embedding.messages import EmbedderLoaded
from server.worker.messages import Loaded, LoadFailed, LoadProgress, Ping
from server.worker.wire import Options, Word

log = logging.getLogger(__name__)


# Whoever asks while the model is still being downloaded need not wait: that takes minutes.
OBTAIN_RETRY_S = 30.0

# Brings the model's file here: its path, and meanwhile sentences on how far that is.
Obtain: TypeAlias = Callable[[Callable[[str], None]], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionOptions:
    """Which model a worker is to load, and how patient to be. Seconds everywhere.

    `ready_wait_s`: how long a request waits for a model that is being loaded before it is told to
    come back. After a death the next start waits `backoff_s`, twice as long each time up to
    `backoff_limit_s`; a worker that lived `healthy_s` starts the count anew. One that gives no sign
    of life for `silence_limit_s` is ended.
    """

    name: str
    model: Options
    ready_wait_s: float = 10.0
    backoff_s: float = 0.5
    backoff_limit_s: float = 30.0
    healthy_s: float = 60.0
    silence_limit_s: float = 45.0


class Listener(Protocol):
    """The open requests of one worker."""

    def take(self, report: Word) -> None:
        """Hear what the worker says."""

    def fail(self, error: ServerError) -> None:
        """End every open request with this error: the worker is gone."""


Session = TypeVar("Session", bound=Listener)


class Supervision(Generic[Session]):
    """Keeps one worker running. `open_session` makes a session of a worker that has loaded its
    model; it may raise ValueError for one that is of no use, whose sentence becomes the error. So
    does the ServerError of `obtain`, which is called first where the model's file may have to be
    brought here.
    """

    def __init__(
        self,
        options: SupervisionOptions,
        open_session: Callable[[WorkerLink, Loaded | EmbedderLoaded], Awaitable[Session]],
        obtain: Obtain | None = None,
    ) -> None:
        self._options = options
        self._obtain = obtain
        self._open = open_session
        self._link: WorkerLink | None = None
        self._settled = asyncio.Event()
        self._supervision: asyncio.Task[None] | None = None
        self.session: Session | None = None
        self.state: EngineState = "stopped"
        self.detail = ""

    async def start(self) -> None:
        """Begin loading; returns at once. Starting twice is harmless."""
        if self._supervision is None:
            self._enter("loading", "")
            self._supervision = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        """End every request with an error, then the worker. Safe to call twice."""
        supervision, self._supervision = self._supervision, None
        if supervision is not None:
            supervision.cancel()
            await asyncio.wait([supervision])
        self._lose_session(closing())
        link, self._link = self._link, None
        if link is not None:
            await link.close()
        self._enter("stopped", "closed")

    @property
    def worker_pid(self) -> int | None:
        return self._link.pid if self._link else None

    @property
    def silence_s(self) -> float:
        """How long the worker has not been heard of; 0 where there is none."""
        return self._link.silence_s if self._link else 0.0

    async def settle(self) -> None:
        """Wait until the model is ready or known to be unusable."""
        await self._settled.wait()

    async def ready(self) -> Session:
        """The session, once there is one. Errors: ServerError loading, engine_failed."""
        if self._obtain is not None:
            raise self._not_ready(OBTAIN_RETRY_S)
        try:
            await asyncio.wait_for(self._settled.wait(), self._options.ready_wait_s)
        except asyncio.TimeoutError:
            raise self._not_ready(self._options.ready_wait_s) from None
        if self.session is None:
            raise self._not_ready(self._options.ready_wait_s)
        return self.session

    def _not_ready(self, retry_after: float) -> ServerError:
        name = self._options.name
        if self.state in ("loading", "restarting"):
            return ServerError(
                "loading",
                f"The model {name} is being loaded ({self.detail or 'starting'}); try again soon.",
                retry_after=retry_after,
            )
        return failed(f"The model {name} cannot answer: {self.detail or self.state}")

    # --- the worker's life ---------------------------------------------------------------------

    async def _supervise(self) -> None:
        """Obtain the model, start the worker, and again when it dies, until that is hopeless."""
        backoff = self._options.backoff_s
        hopeless = await self._obtain_model()
        while True:
            born = time.monotonic()
            hopeless = hopeless or await self._live()
            if hopeless is not None:
                self._enter("failed", hopeless)
                log.error("model %s: %s", self._options.name, hopeless)
                return
            if time.monotonic() - born >= self._options.healthy_s:
                backoff = self._options.backoff_s
            log.warning("model %s: starting again in %.1f s", self._options.name, backoff)
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, self._options.backoff_limit_s)

    async def _obtain_model(self) -> str | None:
        """Returns why it cannot be had, if it cannot."""
        if self._obtain is None:
            return None
        try:
            path = await self._obtain(lambda detail: self._enter("loading", detail))
        except ServerError as error:
            return error.message
        model = msgspec.structs.replace(self._options.model, path=path)
        self._options, self._obtain = replace(self._options, model=model), None
        self._enter("loading", "")
        return None

    async def _live(self) -> str | None:
        """One worker's life, from start to death. Returns a reason not to try another, if any."""
        try:
            link = await self._open_link()
        except OSError as error:
            self._enter("restarting", f"the worker could not be started: {error}")
            return None
        link.send(self._options.model)
        attending = asyncio.create_task(link.attend(self._options.silence_limit_s))
        try:
            refusal = await self._serve(link)
        finally:
            attending.cancel()
        link.kill()
        ending = await link.ending()
        self._link = None
        served = self.session is not None
        self._lose_session(died(ending))
        if refusal is not None:
            return refusal
        if not served and not may_recover(ending):
            return (
                f"loading {self._options.model.path} ended llama.cpp ({ending.cause}); "
                f"its last words: {ending.last_words or 'none'}"
            )
        self._enter("restarting", f"the worker ended: {ending.cause}")
        log.error("model %s: worker %d ended: %s", self._options.name, link.pid, ending.cause)
        return None

    async def _open_link(self) -> WorkerLink:
        # Cancelled in the middle, a process would be there that nobody knows: see it through, so
        # that `close` finds it.
        opening = asyncio.create_task(WorkerLink.open())
        try:
            await asyncio.shield(opening)
        finally:
            self._link = await opening
        return self._link

    async def _serve(self, link: WorkerLink) -> str | None:
        """Take reports until the worker is gone. Returns why the model is unusable, if it is."""
        while True:
            try:
                report = await link.receive()
            except (msgspec.DecodeError, ValueError) as error:
                log.error("model %s: not a report: %s", self._options.name, error)
                return None
            if report is None:
                return None
            if isinstance(report, LoadFailed):
                return report.message
            if isinstance(report, LoadProgress):
                self._enter(self.state, f"{report.fraction:.0%} loaded")
            elif isinstance(report, Loaded | EmbedderLoaded):
                refusal = await self._welcome(link, report)
                if refusal is not None:
                    return refusal
            elif self.session is not None and not isinstance(report, Ping):
                self.session.take(report)

    async def _welcome(self, link: WorkerLink, loaded: Loaded | EmbedderLoaded) -> str | None:
        try:
            self.session = await self._open(link, loaded)
        except ValueError as error:
            return str(error)
        self._enter("ready", " ".join(loaded.notes))
        name = self._options.name
        log.info("model %s is ready in worker %d: %s", name, link.pid, loaded.description)
        return None

    def _lose_session(self, error: ServerError) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.fail(error)

    def _enter(self, state: EngineState, detail: str) -> None:
        self.state, self.detail = state, detail
        if state in ("ready", "failed", "stopped"):
            self._settled.set()
        else:
            self._settled.clear()
