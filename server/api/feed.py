"""The events of one call's choices as they arrive, generated side by side and ended together.

Knows neither HTTP nor dialects.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from server.core.events import Event, Finished

Arrival = tuple[int, Event]


class Feed:
    """Reads one stream a choice until `close`. Closing ends every stream, and thereby its
    generation; so does the failure of one.
    """

    def __init__(self, streams: Sequence[AsyncGenerator[Event, None]]) -> None:
        self._arrived: list[Arrival] = []
        self._failure: BaseException | None = None
        self._news = asyncio.Event()
        self._running = len(streams)
        self._unfinished = len(streams)
        self._cancelled = False
        self._tasks = [
            asyncio.create_task(self._read(index, stream)) for index, stream in enumerate(streams)
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    @property
    def over(self) -> bool:
        """Whether nothing will arrive that has not arrived yet."""
        return not self._unfinished or self._failure is not None

    async def batch(self) -> list[Arrival]:
        """What arrived since the last call, at least one event; empty when all streams have ended.

        Errors: what a stream raised.
        """
        while not self._arrived and self._running and self._failure is None:
            self._news.clear()
            await self._news.wait()
        if not self._arrived and self._failure is not None:
            raise self._failure
        batch, self._arrived = self._arrived, []
        return batch

    async def close(self) -> None:
        """End what still runs and wait until it has ended. Safe to call twice."""
        self._cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, index: int, stream: AsyncGenerator[Event, None]) -> None:
        event: Event | None = None
        async with aclosing(stream) as events:
            async for event in events:
                self._arrived.append((index, event))
                self._unfinished -= isinstance(event, Finished)
                self._news.set()
        if not isinstance(event, Finished):
            raise RuntimeError("an engine's stream ended without Finished")

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running -= 1
        error: BaseException | None = None
        if not task.cancelled():
            error = task.exception()
        elif not self._cancelled:
            # Somebody else did it, and whoever waits for its events would wait in vain.
            error = RuntimeError("an engine's stream was cancelled")
        if error is not None:
            self._failure = self._failure or error
            self._cancel()
        self._news.set()

    def _cancel(self) -> None:
        self._cancelled = True
        for task in self._tasks:
            task.cancel()
