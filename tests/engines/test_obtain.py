"""An engine whose model has to be brought here first."""

import asyncio
from collections.abc import Callable
from datetime import date

import pytest

from server.core.errors import ServerError
from server.core.events import collect
from server.engines.local import LocalEngine, LocalOptions
from server.engines.supervision import Obtain
from server.formats.choice import speech_of
from tests.engines.models import TINY, asked, limits, options


def engine(obtain: Obtain) -> LocalEngine:
    given = LocalOptions(name="tiny", model=options(TINY / "nowhere"), limits=limits())
    return LocalEngine(given, lambda text: speech_of(text, lambda: date(2026, 11, 20)), obtain)


class Delivery:
    """Says how far it is, and comes when told."""

    def __init__(self) -> None:
        self.said = asyncio.Event()
        self.come = asyncio.Event()
        self.given_up = False

    async def __call__(self, say: Callable[[str], None]) -> str:
        say("downloading 37 %")
        self.said.set()
        try:
            await self.come.wait()
        except asyncio.CancelledError:
            self.given_up = True
            raise
        return str(TINY)


async def test_nobody_waits_for_a_download_and_then_it_answers() -> None:
    delivery = Delivery()
    local = engine(delivery)
    await local.start()
    try:
        await delivery.said.wait()
        assert (local.status().state, local.status().detail) == ("loading", "downloading 37 %")
        with pytest.raises(ServerError, match=r"being loaded \(downloading 37 %\)") as caught:
            await collect(local.generate(asked("Hello!")))
        assert (caught.value.kind, caught.value.retry_after) == ("loading", 30)
        delivery.come.set()
        assert (await local.settled()).state == "ready"
        assert (await collect(local.generate(asked("Hello!")))).text
    finally:
        await local.close()


async def test_what_cannot_be_had_fails_with_its_reason() -> None:
    async def fail(_: Callable[[str], None]) -> str:
        raise ServerError("engine_failed", "hf.co/a/b does not exist")

    local = engine(fail)
    await local.start()
    status = await local.settled()
    assert (status.state, status.detail) == ("failed", "hf.co/a/b does not exist")
    with pytest.raises(ServerError, match=r"cannot answer: hf\.co/a/b does not") as caught:
        await collect(local.generate(asked("Hello!")))
    assert caught.value.kind == "engine_failed"
    await local.close()


async def test_closing_gives_a_download_up() -> None:
    delivery = Delivery()
    local = engine(delivery)
    await local.start()
    await delivery.said.wait()
    await local.close()
    assert delivery.given_up
    assert local.status().state == "stopped"
