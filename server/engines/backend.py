"""What every `core.ports.Backend` over a supervised worker has in common."""

from abc import ABC, abstractmethod
from typing import Generic

from server.core.ports import EngineStatus, ModelCard
from server.engines.link import WorkerLink
from server.engines.supervision import Obtain, Session, Supervision, SupervisionOptions
from server.worker.embedding.messages import EmbedderLoaded
from server.worker.messages import Loaded


class SupervisedBackend(ABC, Generic[Session]):
    """Starts, closes and tells; what is asked of the model its kind of engine knows."""

    def __init__(self, options: SupervisionOptions, obtain: Obtain | None) -> None:
        self._supervision = Supervision[Session](options, self._open_session, obtain)
        self._card: ModelCard | None = None

    @abstractmethod
    def status(self) -> EngineStatus: ...

    @abstractmethod
    async def _open_session(self, link: WorkerLink, loaded: Loaded | EmbedderLoaded) -> Session:
        """A session of a worker that has loaded its model. Errors: ValueError, with a sentence,
        when it is of no use.
        """

    async def start(self) -> None:
        await self._supervision.start()

    async def close(self) -> None:
        await self._supervision.close()

    def card(self) -> ModelCard | None:
        return self._card

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, for operators and tests."""
        return self._supervision.worker_pid

    async def settled(self) -> EngineStatus:
        """Wait until the model is ready or known to be unusable."""
        await self._supervision.settle()
        return self.status()
