"""Downloads that several watch, with a download that the test controls."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from server.hub.errors import HubError
from server.hub.progress import Progress, Report
from server.hub.reference import Reference
from server.library.pulls import Pulls

MODEL = Reference(repo="owner/model", file="model.gguf")
OTHER = Reference(repo="owner/other", file="other.gguf")
PLACE = Path("/models/model.gguf")


class Wire:
    """A download that goes as far as it is told."""

    def __init__(self) -> None:
        self.begun: list[Reference] = []
        self.ended = 0
        self.started = asyncio.Event()
        self.report: Report | None = None
        self.result: asyncio.Future[Path] = asyncio.get_running_loop().create_future()

    async def fetch(self, reference: Reference, report: Report) -> Path:
        self.begun.append(reference)
        self.report = report
        self.started.set()
        try:
            return await asyncio.shield(self.result)
        finally:
            self.ended += 1

    async def get(self, done: int) -> None:
        await self.started.wait()
        assert self.report is not None
        self.report(Progress(done=done, total=10))


async def test_progress_comes_and_then_the_file():
    wire = Wire()
    async with aclosing(Pulls(wire.fetch).watch(MODEL)) as news:
        first = asyncio.ensure_future(anext(news))
        await wire.get(3)
        assert await first == Progress(done=3, total=10)
        wire.result.set_result(PLACE)
        assert [each async for each in news] == [PLACE]


async def test_who_is_slow_hears_of_the_latest_alone():
    wire = Wire()
    async with aclosing(Pulls(wire.fetch).watch(MODEL)) as news:
        first = asyncio.ensure_future(anext(news))
        for done in range(5):
            await wire.get(done)
        assert await first == Progress(done=4, total=10)


async def test_all_who_want_one_model_watch_one_download():
    wire = Wire()
    pulls = Pulls(wire.fetch)

    async def follow() -> list[Progress | Path]:
        return [each async for each in pulls.watch(MODEL)]

    followers = [asyncio.create_task(follow()) for _ in range(3)]
    await wire.get(3)
    wire.result.set_result(PLACE)
    for heard in await asyncio.gather(*followers):
        assert heard[-1] == PLACE
    assert (wire.begun, wire.ended) == ([MODEL], 1)


async def test_the_last_to_leave_ends_it_and_nobody_before():
    wire = Wire()
    pulls = Pulls(wire.fetch)
    one, two = pulls.watch(MODEL), pulls.watch(MODEL)
    waiting = [asyncio.ensure_future(anext(each)) for each in (one, two)]
    await wire.get(1)
    await asyncio.gather(*waiting)
    await one.aclose()
    assert wire.ended == 0
    await two.aclose()
    assert wire.ended == 1


async def test_who_comes_after_the_end_begins_anew():
    wire = Wire()
    pulls = Pulls(wire.fetch)
    wire.result.set_result(PLACE)
    for _ in range(2):
        assert [each async for each in pulls.watch(MODEL)] == [PLACE]
    assert wire.begun == [MODEL, MODEL]


async def test_a_failure_reaches_all_and_the_next_may_try_again():
    wire = Wire()
    pulls = Pulls(wire.fetch)
    first, second = pulls.watch(MODEL), pulls.watch(MODEL)
    waiting = [asyncio.ensure_future(anext(each)) for each in (first, second)]
    await wire.started.wait()
    wire.result.set_exception(HubError("damaged", "It is damaged."))
    for each in waiting:
        with pytest.raises(HubError, match="damaged"):
            await each
    wire.result = asyncio.get_running_loop().create_future()
    wire.result.set_result(PLACE)
    assert [each async for each in pulls.watch(MODEL)] == [PLACE]


async def test_closing_ends_all_downloads():
    wire = Wire()
    pulls = Pulls(wire.fetch)
    news = pulls.watch(MODEL)
    waiting = asyncio.ensure_future(anext(news))
    await wire.started.wait()
    await pulls.close()
    with pytest.raises(HubError, match="shutting down"):
        await waiting
    assert wire.ended == 1


async def test_two_models_are_two_downloads():
    wire = Wire()
    pulls = Pulls(wire.fetch)
    wire.result.set_result(PLACE)
    await asyncio.gather(anext(pulls.watch(MODEL)), anext(pulls.watch(OTHER)))
    assert set(wire.begun) == {MODEL, OTHER}
