"""One loaded embedding worker and the requests it is answering, each waiting for one report."""

import asyncio
import itertools

from server.core.embeddings import EmbeddingRequest
from server.core.errors import ServerError
from server.engines.link import WorkerLink
from server.worker.embedding.messages import Embed, Embedded, EmbedFailed
from server.worker.messages import Cancel, Refused
from server.worker.wire import Word


class EmbeddingSession:
    """A worker that has loaded its model, and the open requests by id."""

    def __init__(self, link: WorkerLink) -> None:
        self._link = link
        self._open: dict[int, asyncio.Future[Embedded]] = {}
        self._ids = itertools.count(1)

    @property
    def running(self) -> int:
        return len(self._open)

    async def embed(self, request: EmbeddingRequest) -> Embedded:
        """Ask and wait; cancelled, the worker is told. Errors: ServerError."""
        number = next(self._ids)
        answer: asyncio.Future[Embedded] = asyncio.get_running_loop().create_future()
        self._open[number] = answer
        self._link.send(
            Embed(
                id=number,
                inputs=[each if isinstance(each, str) else list(each) for each in request.inputs],
                width=request.dimensions,
                truncate=request.truncate,
            )
        )
        try:
            return await answer
        finally:
            if self._open.pop(number, None) is not None:
                self._link.send(Cancel(id=number))

    def take(self, report: Word) -> None:
        """Hand a report to the one it concerns; words about cancelled requests reach nobody."""
        if isinstance(report, Embedded):
            if (answer := self._open.pop(report.id, None)) and not answer.done():
                answer.set_result(report)
        elif isinstance(report, Refused):
            kind, message, wait_s = report.kind, report.message, report.retry_after
            param = None if kind == "busy" else "input"
            self._refuse(report.id, ServerError(kind, message, param=param, retry_after=wait_s))
        elif isinstance(report, EmbedFailed):
            self._refuse(report.id, ServerError("engine_failed", report.message))

    def fail(self, error: ServerError) -> None:
        """End every open request with this error: the worker is gone."""
        for number in list(self._open):
            self._refuse(number, error)

    def _refuse(self, number: int, error: ServerError) -> None:
        # Done already: its caller was cancelled a moment ago, and has not been told yet.
        if (answer := self._open.pop(number, None)) and not answer.done():
            answer.set_exception(error)
