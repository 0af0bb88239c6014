"""One loaded worker: its model's format and card, and the requests it is answering.

Ends with its process; the engine then makes a new one. Knows frames and events, not how processes
are started or restarted.
"""

import asyncio
import itertools
from typing import TypeAlias

from server.core.errors import ServerError
from server.core.ports import ModelCard, PrefixCounters, SpeculationCounters
from server.engines.link import WorkerLink
from server.formats.base import Format
from server.formats.vocabulary import Vocabulary
from server.worker.messages import Accepted, Cancel, Ended, Refused, Step, Submit, Token
from server.worker.wire import Word

Item: TypeAlias = Accepted | Token | Ended


class Mailbox:
    """What the worker says about one request, in order. Unbounded: max_tokens bounds it."""

    def __init__(self) -> None:
        self._items: list[Item | ServerError] = []
        self._arrived = asyncio.Event()

    def put(self, item: Item | ServerError) -> None:
        self._items.append(item)
        self._arrived.set()

    async def take(self) -> list[Item | ServerError]:
        """Everything that has come since the last call, at least one item."""
        await self._arrived.wait()
        self._arrived.clear()
        items, self._items = self._items, []
        return items


class Session:
    """A worker that has loaded its model, and the open requests by id."""

    def __init__(
        self, link: WorkerLink, card: ModelCard, vocabulary: Vocabulary, text_format: Format
    ) -> None:
        self._link = link
        self._open: dict[int, Mailbox] = {}
        self._ids = itertools.count(1)
        self._failure: ServerError | None = None
        self.card = card
        self.vocabulary = vocabulary
        self.format = text_format
        self.running = 0
        self.waiting = 0
        self.stalls = 0
        self.prefixes: PrefixCounters | None = None
        self.speculation: SpeculationCounters | None = None

    def next_id(self) -> int:
        return next(self._ids)

    def submit(self, command: Submit) -> Mailbox:
        mailbox = Mailbox()
        if self._failure is not None:
            # It came to be while the worker went.
            mailbox.put(self._failure)
            return mailbox
        self._open[command.id] = mailbox
        self._link.send(command)
        return mailbox

    def halt(self, request: int) -> None:
        """Ask the worker to end a request whose last word is still wanted. Harmless twice."""
        if request in self._open:
            self._link.send(Cancel(id=request))

    def cancel(self, request: int) -> None:
        """End a request, wherever it is. A request that has ended already is left alone."""
        if self._open.pop(request, None) is not None:
            self._link.send(Cancel(id=request))

    def take(self, report: Word) -> None:
        """Hand a report to those it concerns; words about cancelled requests reach nobody."""
        if isinstance(report, Accepted):
            self._deliver(report.id, report)
        elif isinstance(report, Refused):
            self._end(report.id, _refusal(report))
        elif isinstance(report, Step):
            self.running, self.waiting = report.running, report.waiting
            self.stalls = report.stalls
            self.prefixes = report.prefixes or self.prefixes
            self.speculation = report.speculation or self.speculation
            for token in report.tokens:
                self._deliver(token.id, token)
            for ended in report.ended:
                self._end(ended.id, ended)

    def fail(self, error: ServerError) -> None:
        """End every request with this error, those that come too: the worker is gone."""
        self._failure = error
        for request in list(self._open):
            self._end(request, error)

    def _deliver(self, request: int, item: Item) -> None:
        mailbox = self._open.get(request)
        if mailbox is not None:
            mailbox.put(item)

    def _end(self, request: int, item: Item | ServerError) -> None:
        mailbox = self._open.pop(request, None)
        if mailbox is not None:
            mailbox.put(item)


def _refusal(report: Refused) -> ServerError:
    param = "messages" if report.kind == "context_too_long" else None
    return ServerError(report.kind, report.message, param=param, retry_after=report.retry_after)
