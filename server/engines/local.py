"""The engine of this machine: a worker process that is started, fed, watched and started again.

A worker's death fails its own requests with one clear error and touches nobody else.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias

import msgspec

from server.core.errors import ServerError
from server.core.events import Event
from server.core.ports import EngineState, EngineStatus, ModelCard
from server.core.request import GenerationRequest
from server.engines.allowance import GenerationLimits
from server.engines.endings import closing, died, failed, may_recover
from server.engines.generation import count, generate
from server.engines.link import WorkerLink
from server.engines.session import Session, card_of
from server.formats.base import Format
from server.formats.vocabulary import Vocabulary
from server.worker.messages import Loaded, LoadFailed, LoadProgress, ModelOptions, Ping

log = logging.getLogger(__name__)

# Tokenising is CPU work that releases the GIL only now and then: more threads would not help.
TOKENISER_THREADS = 2
# Whoever asks while the model is still being downloaded need not wait: that takes minutes.
OBTAIN_RETRY_S = 30.0

# Brings the model's file here: its path, and meanwhile sentences on how far that is.
Obtain: TypeAlias = Callable[[Callable[[str], None]], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """What a local engine is made of. Seconds everywhere.

    `ready_wait_s`: how long a request waits for a model that is being loaded before it is told to
    come back. After a death the next start waits `backoff_s`, twice as long each time up to
    `backoff_limit_s`; a worker that lived `healthy_s` starts the count anew. One that gives no sign
    of life for `silence_limit_s` is ended.
    """

    name: str
    model: ModelOptions
    limits: GenerationLimits
    demonstration: bool = False
    ready_wait_s: float = 10.0
    backoff_s: float = 0.5
    backoff_limit_s: float = 30.0
    healthy_s: float = 60.0
    silence_limit_s: float = 45.0


class LocalEngine:
    """`core.ports.Engine` over one worker process. `make_format` may raise ValueError for a
    vocabulary it cannot speak; its sentence becomes the engine's error. So does the ServerError of
    `obtain`, which is called first where the model's file may have to be brought here.
    """

    def __init__(
        self,
        options: LocalOptions,
        make_format: Callable[[Vocabulary], Format],
        obtain: Obtain | None = None,
    ) -> None:
        self._options = options
        self._make_format = make_format
        self._obtain = obtain
        self._threads = ThreadPoolExecutor(TOKENISER_THREADS, thread_name_prefix="tokenise")
        self._state: EngineState = "stopped"
        self._detail = ""
        self._link: WorkerLink | None = None
        self._session: Session | None = None
        self._card: ModelCard | None = None
        self._settled = asyncio.Event()
        self._supervision: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin loading; returns at once. Starting twice is harmless."""
        if self._supervision is None:
            self._enter("loading", "")
            self._supervision = asyncio.create_task(self._supervise())

    async def close(self) -> None:
        supervision, self._supervision = self._supervision, None
        if supervision is not None:
            supervision.cancel()
            await asyncio.wait([supervision])
        self._lose_session(closing())
        link, self._link = self._link, None
        if link is not None:
            await link.close()
        self._enter("stopped", "closed")
        self._threads.shutdown(wait=False)

    def status(self) -> EngineStatus:
        session = self._session
        return EngineStatus(
            state=self._state,
            running=session.running if session else 0,
            waiting=session.waiting if session else 0,
            detail=self._detail,
            stalls=session.stalls if session else 0,
            prefixes=session.prefixes if session else None,
            speculation=session.speculation if session else None,
            silence_s=self._link.silence_s if self._link else 0.0,
        )

    def card(self) -> ModelCard | None:
        return self._card

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, for operators and tests."""
        return self._link.pid if self._link else None

    async def settled(self) -> EngineStatus:
        """Wait until the model is ready or known to be unusable."""
        await self._settled.wait()
        return self.status()

    async def count(self, request: GenerationRequest) -> int:
        return await count(await self._ready(), request, self._threads)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        session = await self._ready()
        async with aclosing(
            generate(session, request, self._options.limits, self._threads)
        ) as events:
            async for event in events:
                yield event

    async def _ready(self) -> Session:
        if self._obtain is not None:
            raise self._not_ready(OBTAIN_RETRY_S)
        try:
            await asyncio.wait_for(self._settled.wait(), self._options.ready_wait_s)
        except asyncio.TimeoutError:
            raise self._not_ready(self._options.ready_wait_s) from None
        if self._session is None:
            raise self._not_ready(self._options.ready_wait_s)
        return self._session

    def _not_ready(self, retry_after: float) -> ServerError:
        name = self._options.name
        if self._state in ("loading", "restarting"):
            return ServerError(
                "loading",
                f"The model {name} is being loaded ({self._detail or 'starting'}); try again soon.",
                retry_after=retry_after,
            )
        return failed(f"The model {name} cannot answer: {self._detail or self._state}")

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
        served = self._session is not None
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
                self._enter(self._state, f"{report.fraction:.0%} loaded")
            elif isinstance(report, Loaded):
                refusal = await self._open_session(link, report)
                if refusal is not None:
                    return refusal
            elif self._session is not None and not isinstance(report, Ping):
                self._session.take(report)

    async def _open_session(self, link: WorkerLink, loaded: Loaded) -> str | None:
        loop = asyncio.get_running_loop()
        try:
            vocabulary, text_format = await loop.run_in_executor(
                self._threads, self._understand, loaded
            )
        except ValueError as error:
            return str(error)
        self._card = replace(card_of(loaded), demonstration=self._options.demonstration)
        self._session = Session(link, self._card, vocabulary, text_format)
        self._enter("ready", " ".join(loaded.notes))
        log.info("model %s is ready: %s", self._options.name, loaded.description)
        return None

    def _understand(self, loaded: Loaded) -> tuple[Vocabulary, Format]:
        vocabulary = Vocabulary.from_tokens(loaded.tokens, loaded.control_ids)
        text_format = self._make_format(vocabulary)
        if not self._options.demonstration and not vocabulary.is_o200k:
            log.warning(
                "model %s: its vocabulary is not gpt-oss's own (o200k); if this file is meant to be"
                " gpt-oss-20b, download it again",
                self._options.name,
            )
        return vocabulary, text_format

    def _lose_session(self, error: ServerError) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.fail(error)

    def _enter(self, state: EngineState, detail: str) -> None:
        self._state, self._detail = state, detail
        if state in ("ready", "failed", "stopped"):
            self._settled.set()
        else:
            self._settled.clear()
