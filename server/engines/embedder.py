"""The embedder of this machine: a supervised worker process with an embedding model. Knows what the
operator says of the model, not how vectors are made.
"""

import asyncio
import logging
import time
from dataclasses import dataclass

from server.core.embeddings import EmbeddingRequest, Embeddings
from server.core.errors import ServerError
from server.core.ports import EngineStatus
from server.engines.backend import SupervisedBackend
from server.engines.card import card_of
from server.engines.embedding_session import EmbeddingSession
from server.engines.link import WorkerLink
from server.engines.supervision import Obtain, SupervisionOptions
from server.worker.embedding.messages import EmbedderLoaded
from server.worker.messages import Loaded

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderSetup(SupervisionOptions):
    """What a local embedder is made of. `shortens`: the model's vectors may be cut to their first
    numbers (it is a Matryoshka model); `timeout_s` from submission to answer.
    """

    shortens: bool = False
    timeout_s: float | None = None


class LocalEmbedder(SupervisedBackend[EmbeddingSession]):
    """`core.ports.Embedder` over one worker process. `obtain`: see `Supervision`."""

    def __init__(self, setup: EmbedderSetup, obtain: Obtain | None = None) -> None:
        self._setup = setup
        super().__init__(setup, obtain)

    def status(self) -> EngineStatus:
        session = self._supervision.session
        return EngineStatus(
            state=self._supervision.state,
            running=session.running if session else 0,
            detail=self._supervision.detail,
            silence_s=self._supervision.silence_s,
        )

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        session = await self._supervision.ready()
        self._check(request.dimensions)
        began = time.perf_counter()
        try:
            embedded = await asyncio.wait_for(session.embed(request), self._setup.timeout_s)
        except asyncio.TimeoutError:
            raise ServerError(
                "timeout",
                f"The embeddings were not finished within {self._setup.timeout_s:g} seconds; send"
                " fewer inputs at once, or raise REQUEST_TIMEOUT_SECONDS.",
            ) from None
        answer = Embeddings(vectors=tuple(embedded.vectors), tokens=tuple(embedded.tokens))
        seconds = time.perf_counter() - began
        log.info(
            "embedded: %d inputs, %d tokens in %.2f s",
            len(answer.vectors),
            answer.total_tokens,
            seconds,
        )
        return answer

    def _check(self, dimensions: int | None) -> None:
        """Errors: ServerError for a length that the vectors cannot have."""
        assert self._card is not None
        width = self._card.embedding_length
        if dimensions is None or dimensions == width:
            return
        if dimensions > width:
            why = f"the vectors of {self._setup.name} have {width} numbers"
        elif not self._setup.shortens:
            why = (
                f"the vectors of {self._setup.name} have {width} numbers and are not known to keep"
                " their meaning when they are cut; leave it out (or, if the model is a Matryoshka"
                " model, have the operator set EMBEDDING_MATRYOSHKA=1)"
            )
        else:
            return
        raise ServerError("invalid", f"Invalid 'dimensions': {why}.", param="dimensions")

    async def _open_session(
        self, link: WorkerLink, loaded: Loaded | EmbedderLoaded
    ) -> EmbeddingSession:
        self._card = card_of(loaded)
        return EmbeddingSession(link)
