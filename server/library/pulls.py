"""Downloads that several may watch: whoever asks for the same model joins the one that runs, and
the last one to leave ends it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from server.hub.errors import HubError
from server.hub.progress import Progress, Report
from server.hub.reference import Reference

# Brings a model here, and tells meanwhile how far that is. Errors: HubError.
Fetch: TypeAlias = Callable[[Reference, Report], Awaitable[Path]]


class _Pull:
    """One download and those who watch it."""

    def __init__(self, fetch: Fetch, reference: Reference) -> None:
        self.watchers = 0
        self.progress: Progress | None = None
        self.steps = 0
        self._news = asyncio.Event()
        self.task = asyncio.ensure_future(fetch(reference, self._report))
        self.task.add_done_callback(lambda _: self._tell())

    async def news(self, seen: int) -> None:
        """Wait until there are more steps than were seen, or it is over."""
        while self.steps == seen and not self.task.done():
            await self._news.wait()

    def _report(self, progress: Progress) -> None:
        self.progress = progress
        self.steps += 1
        self._tell()

    def _tell(self) -> None:
        # Everybody who waits now is woken; who comes later waits for the next.
        news, self._news = self._news, asyncio.Event()
        news.set()


class Pulls:
    """The downloads that run, by what they fetch."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._running: dict[Reference, _Pull] = {}

    async def watch(self, reference: Reference) -> AsyncGenerator[Progress | Path, None]:
        """How far it is, as often as that changes and the watcher asks; the model's first file in
        the end. Errors: HubError.
        """
        pull = self._running.get(reference)
        if pull is None or pull.task.done():
            pull = self._running[reference] = _Pull(self._fetch, reference)
        pull.watchers += 1
        seen = 0
        try:
            while not pull.task.done():
                await pull.news(seen)
                if pull.steps != seen and pull.progress is not None:
                    seen = pull.steps
                    yield pull.progress
            if pull.task.cancelled():
                raise HubError(
                    "unavailable",
                    "the server is shutting down; what is here is kept, and the next pull goes on",
                )
            yield pull.task.result()
        finally:
            pull.watchers -= 1
            await self._leave(reference, pull)

    async def close(self) -> None:
        """End what runs; what is here already stays for the next time."""
        tasks = [pull.task for pull in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _leave(self, reference: Reference, pull: _Pull) -> None:
        if pull.watchers:
            return
        if self._running.get(reference) is pull:
            del self._running[reference]
        if not pull.task.done():
            pull.task.cancel()
            await asyncio.wait([pull.task])
