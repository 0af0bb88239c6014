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
from server.formats.choice import Speech
from server.formats.model_text import ModelText
from server.formats.raw import spelt
from server.worker.embedding.messages import EmbedderLoaded
from server.worker.messages import SAMPLE_TEXT, Loaded

log = logging.getLogger(__name__)

# Tokenising is CPU work that releases the GIL only now and then: more threads would not help.
TOKENISER_THREADS = 2
GPT_OSS = "gpt-oss"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions(SupervisionOptions):
    """What a local engine is made of."""

    limits: GenerationLimits
    demonstration: bool = False


class LocalEngine(SupervisedBackend[Session]):
    """`core.ports.Engine` over one worker process. `understand` may raise ValueError for a model
    whose text it cannot read; its sentence becomes the engine's error. So does the ServerError of
    `obtain`, which is called first where the model's file may have to be brought here.
    """

    def __init__(
        self,
        options: LocalOptions,
        understand: Callable[[ModelText], Speech],
        obtain: Obtain | None = None,
    ) -> None:
        self._options = options
        self._speech_of = understand
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
        speech = await loop.run_in_executor(self._threads, self._understand, loaded)
        self._card = replace(
            card_of(loaded),
            demonstration=self._options.demonstration,
            abilities=speech.abilities,
        )
        return Session(link, self._card, speech.vocabulary, speech.format)

    def _understand(self, loaded: Loaded) -> Speech:
        name = self._options.name
        speech = self._speech_of(text_of(loaded))
        if speech.note:
            log.warning("model %s completes texts only: %s", name, speech.note)
        sample = loaded.text.sample
        if sample and speech.vocabulary.encode(SAMPLE_TEXT) != sample:
            log.warning(
                "model %s: llama.cpp tokenises text otherwise than this server; its answers may be"
                " worse than they could be",
                name,
            )
        if loaded.architecture == GPT_OSS and "chat" in speech.abilities:
            self._check_vocabulary(speech)
        return speech

    def _check_vocabulary(self, speech: Speech) -> None:
        if not self._options.demonstration and not speech.vocabulary.is_o200k:
            log.warning(
                "model %s: its vocabulary is not gpt-oss's own (o200k); if this file is meant to be"
                " gpt-oss-20b, download it again",
                self._options.name,
            )


def _tokenisers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(TOKENISER_THREADS, thread_name_prefix="tokenise")


def text_of(loaded: Loaded) -> ModelText:
    """What a worker tells of its model's text, in the formats' words."""
    text = loaded.text
    return ModelText(
        architecture=loaded.architecture,
        tokeniser=text.tokeniser,
        pre=text.pre,
        tokens=loaded.tokens,
        control_ids=loaded.control_ids,
        end_ids=loaded.end_ids,
        kinds=text.kinds,
        scores=text.scores,
        bos=text.bos,
        eos=text.eos,
        begins=text.begins,
        space_prefix=text.space_prefix,
        templates=text.templates,
    )
