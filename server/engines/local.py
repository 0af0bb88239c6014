"""The engine of this machine: a supervised worker process, its model's format, and the answers that
the two make together.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, replace

from server.core.events import Event
from server.core.ports import EngineStatus
from server.core.request import GenerationRequest
from server.engines.allowance import GenerationLimits
from server.engines.backend import SupervisedBackend
from server.engines.card import card_of
from server.engines.generation import generate, tokenize
from server.engines.link import WorkerLink
from server.engines.pictures import refuse_pictures
from server.engines.session import Session
from server.engines.supervision import Obtain, SupervisionOptions
from server.formats.base import Format
from server.formats.raw import spelt
from server.formats.vocabulary import Vocabulary
from server.worker.embedding.messages import EmbedderLoaded
from server.worker.messages import Loaded

log = logging.getLogger(__name__)

# Tokenising is CPU work that releases the GIL only now and then: more threads would not help.
TOKENISER_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions(SupervisionOptions):
    """What a local engine is made of. One that does not `chat` may have any vocabulary."""

    limits: GenerationLimits
    demonstration: bool = False
    chat: bool = True


class LocalEngine(SupervisedBackend[Session]):
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
        self._threads = _tokenisers()
        super().__init__(options, obtain)

    async def close(self) -> None:
        await super().close()
        self._threads.shutdown(wait=False)
        # Should it be started again: a pool has no threads until it is used.
        self._threads = _tokenisers()

    def status(self) -> EngineStatus:
        session = self._supervision.session
        return EngineStatus(
            state=self._supervision.state,
            running=session.running if session else 0,
            waiting=session.waiting if session else 0,
            detail=self._supervision.detail,
            stalls=session.stalls if session else 0,
            prefixes=session.prefixes if session else None,
            speculation=session.speculation if session else None,
            silence_s=self._supervision.silence_s,
        )

    async def tokenize(self, request: GenerationRequest) -> tuple[int, ...]:
        refuse_pictures(request, sees=False)
        return await tokenize(await self._supervision.ready(), request, self._threads)

    async def detokenize(self, tokens: Sequence[int]) -> tuple[bytes, ...]:
        return spelt(tokens, (await self._supervision.ready()).vocabulary)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        refuse_pictures(request, sees=False)
        session = await self._supervision.ready()
        async with aclosing(
            generate(session, request, self._options.limits, self._threads)
        ) as events:
            async for event in events:
                yield event

    async def _open_session(self, link: WorkerLink, loaded: Loaded | EmbedderLoaded) -> Session:
        assert isinstance(loaded, Loaded)
        loop = asyncio.get_running_loop()
        vocabulary, text_format = await loop.run_in_executor(
            self._threads, self._understand, loaded
        )
        self._card = replace(card_of(loaded), demonstration=self._options.demonstration)
        return Session(link, self._card, vocabulary, text_format)

    def _understand(self, loaded: Loaded) -> tuple[Vocabulary, Format]:
        vocabulary = Vocabulary.from_tokens(loaded.tokens, loaded.control_ids)
        text_format = self._make_format(vocabulary)
        foreign = self._options.chat and not self._options.demonstration
        if foreign and not vocabulary.is_o200k:
            log.warning(
                "model %s: its vocabulary is not gpt-oss's own (o200k); if this file is meant to be"
                " gpt-oss-20b, download it again",
                self._options.name,
            )
        return vocabulary, text_format


def _tokenisers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(TOKENISER_THREADS, thread_name_prefix="tokenise")
