"""Models that are loaded when they are first asked: how they come, stay and go."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from server.core.embeddings import EmbeddingRequest
from server.core.errors import ServerError
from server.core.messages import RawPrompt
from server.core.ports import Loadable
from server.core.request import GenerationRequest
from server.registry.loading import Habits, Prepared, Say, Source
from server.registry.on_demand import OnDemand, OnDemandEmbedder, OnDemandEngine
from server.registry.residency import Residency, Resident
from tests.fakes import CARD, ScriptedEmbedder, ScriptedEngine
from tests.guests import KEEP_ALIVE_S, Asking, Backend, Machine, quiet

REQUEST = GenerationRequest(id="test", prompt=RawPrompt(content="a"))
EMBEDDING = EmbeddingRequest(inputs=("ab",))


async def loaded(machine: Machine, guest: OnDemand[Backend], **asking: float) -> Asking:
    """A request that is being answered."""
    asked = Asking(guest, **asking)
    await quiet()
    backend = machine.backend(guest.name)
    assert backend is not None
    backend.come.set()
    await asked.answered.wait()
    return asked


async def idle(machine: Machine, guest: OnDemand[Backend], **asking: float) -> None:
    """The model is there, and nobody asks it."""
    asked = await loaded(machine, guest, **asking)
    asked.end()
    await asked.task


async def test_it_is_loaded_once_for_all_who_come_first() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    assert guest.status().state == "unloaded"
    asked = [Asking(guest) for _ in range(3)]
    await quiet()
    assert (guest.status().state, guest.status().waiting) == ("loading", 3)
    machine.live[0].come.set()
    for each in asked:
        await each.answered.wait()
    assert (machine.loads, guest.status().state) == (["a"], "ready")
    for each in asked:
        each.end()
        assert await each.failure() is None


async def test_who_leaves_while_it_is_loaded_cancels_only_itself() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    impatient, patient = Asking(guest), Asking(guest)
    await quiet()
    impatient.task.cancel()
    await quiet()
    machine.live[0].come.set()
    await patient.answered.wait()
    assert machine.loads == ["a"]
    patient.end()
    assert await patient.failure() is None


async def test_a_model_whose_every_waiter_left_is_there_for_a_while() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    asked = Asking(guest)
    await quiet()
    asked.task.cancel()
    machine.live[0].come.set()
    await quiet()
    assert guest.status().state == "ready"
    machine.time.advance(KEEP_ALIVE_S)
    await quiet()
    assert (guest.status().state, machine.live) == ("unloaded", [])


async def test_it_goes_when_nobody_has_asked_for_a_while_and_comes_again() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    asked = await loaded(machine, guest)
    machine.time.advance(10 * KEEP_ALIVE_S)
    await quiet()
    assert guest.status().state == "ready"
    asked.end()
    await asked.task
    assert guest.status().expires_in_s == KEEP_ALIVE_S
    machine.time.advance(KEEP_ALIVE_S - 1)
    assert guest.status().expires_in_s == 1
    await idle(machine, guest)
    machine.time.advance(KEEP_ALIVE_S - 1)
    await quiet()
    assert machine.loads == ["a"]
    machine.time.advance(1)
    await quiet()
    assert (guest.status().state, machine.live) == ("unloaded", [])
    assert guest.card() is not None
    await idle(machine, guest)
    assert machine.loads == ["a", "a"]


@pytest.mark.parametrize(
    ("keep_alive_s", "after_s", "state"),
    [(0.0, 0.0, "unloaded"), (5.0, 4.0, "ready"), (5.0, 5.0, "unloaded"), (-1.0, 1e9, "ready")],
)
async def test_a_request_says_how_long_it_stays(
    keep_alive_s: float, after_s: float, state: str
) -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    await idle(machine, guest, keep_alive_s=keep_alive_s)
    machine.time.advance(after_s)
    await quiet()
    assert guest.status().state == state
    if keep_alive_s < 0:
        assert guest.status().expires_in_s is None


async def test_what_a_request_said_is_forgotten_with_the_model() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    await idle(machine, guest, keep_alive_s=5.0)
    machine.time.advance(5.0)
    await quiet()
    await idle(machine, guest)
    assert guest.status().expires_in_s == KEEP_ALIVE_S


async def test_what_a_request_said_is_forgotten_with_its_failure() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    asked = Asking(guest, keep_alive_s=0.0)
    await quiet()
    machine.live[0].fails = True
    machine.live[0].come.set()
    assert await asked.failure() is not None
    await idle(machine, guest)
    assert guest.status().expires_in_s == KEEP_ALIVE_S


async def test_unloading_waits_for_running_requests() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    await guest.unload()
    asked = await loaded(machine, guest)
    await guest.unload()
    assert guest.status().state == "ready"
    asked.end()
    await asked.task
    await quiet()
    assert (guest.status().state, machine.live) == ("unloaded", [])


async def test_unloading_an_idle_model_takes_until_it_is_gone() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    await idle(machine, guest, keep_alive_s=-1)
    await guest.unload()
    assert machine.live == []


async def test_loading_waits_until_it_is_there() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    assert isinstance(guest, Loadable)
    loading = asyncio.create_task(guest.load(-1))
    await quiet()
    assert not loading.done()
    machine.live[0].come.set()
    await loading
    machine.time.advance(1e9)
    assert guest.status().state == "ready"


async def test_a_failure_is_everybodys_and_the_next_who_asks_tries_again() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    asked = [Asking(guest), Asking(guest)]
    await quiet()
    machine.live[0].fails = True
    machine.live[0].come.set()
    for each in asked:
        failure = await each.failure()
        assert failure is not None
        assert (failure.kind, failure.message) == (
            "engine_failed",
            "The model a cannot answer: it is broken",
        )
    assert (guest.status().state, machine.live) == ("unloaded", [])
    assert "it is broken" in guest.status().detail
    assert machine.residency.room_bytes() == 100
    await idle(machine, guest)
    assert (machine.loads, guest.status().detail) == (["a", "a"], "")


async def test_an_engine_that_failed_meanwhile_is_made_anew() -> None:
    machine = Machine()
    guest = machine.guest("a", 60)
    await idle(machine, guest)
    machine.live[0].fails = True
    assert guest.status().state == "failed"
    await idle(machine, guest)
    assert machine.loads == ["a", "a"]


async def test_who_has_waited_long_enough_is_told_how_far_it_is() -> None:
    machine = Machine()
    guest = machine.guest("a", 10, wait_s=0.01)
    with pytest.raises(ServerError, match=r"a is being loaded \(starting\); try again") as told:
        await guest.load()
    assert (told.value.kind, told.value.retry_after) == ("loading", 10)
    machine.live[0].come.set()
    await quiet()
    assert guest.status().state == "ready"


async def test_a_model_may_have_to_be_fetched_first() -> None:
    fetching, fetched = asyncio.Event(), asyncio.Event()

    async def prepare(say: Say) -> Prepared[Settled]:
        say("downloading 37 %")
        fetching.set()
        await fetched.wait()
        return Prepared(needed_bytes=1, make=Settled)

    residency = Residency(lambda: 10)
    guest = OnDemandEngine(
        "a", Source(prepare=prepare, look=lambda: CARD), residency, Habits(wait_s=0.01)
    )
    await guest.start()
    await guest.start()
    with pytest.raises(ServerError, match=r"being loaded \(downloading 37 %\)"):
        await guest.load()
    fetched.set()
    await guest.load()
    assert guest.card() is CARD
    await guest.close()


class Settled(ScriptedEngine):
    """Ready at once."""

    async def settled(self):
        return self.status()


class SettledEmbedder(ScriptedEmbedder):
    async def settled(self):
        return self.status()


async def test_closing_cuts_what_runs_and_what_waits() -> None:
    machine = Machine(ending=True)
    one, other = machine.guest("a", 10), machine.guest("b", 10)
    await loaded(machine, one)
    waiting = Asking(other)
    await quiet()
    await one.close()
    await other.close()
    assert machine.live == []
    failure = await waiting.failure()
    assert failure is not None
    assert (failure.kind, failure.code) == ("busy", "shutting_down")
    with pytest.raises(ServerError, match="shutting down"):
        await one.load()
    assert one.status().state == "stopped"
    await one.close()


async def test_retiring_lets_running_requests_end_and_takes_no_more() -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    asked = await loaded(machine, guest)
    retiring = asyncio.create_task(guest.retire())
    await quiet()
    assert not retiring.done()
    with pytest.raises(ServerError, match="was removed") as refused:
        await guest.load()
    assert refused.value.kind == "model_not_found"
    asked.end()
    await retiring
    assert machine.live == []
    assert await asked.failure() is None


@pytest.mark.parametrize(
    "ask",
    [
        lambda engine: anext(engine.generate(REQUEST)),
        lambda engine: engine.tokenize(REQUEST),
        lambda engine: engine.detokenize((1,)),
    ],
)
async def test_everything_that_is_asked_of_an_engine_loads_it(
    ask: Callable[[OnDemandEngine], Awaitable[object]],
) -> None:
    engine = Settled(state="stopped")

    async def prepare(_: Say) -> Prepared[Settled]:
        return Prepared(needed_bytes=1, make=lambda: engine)

    residency = Residency(lambda: None)
    guest = OnDemandEngine("a", Source(prepare=prepare, look=lambda: None), residency, Habits())
    assert guest.card() is None
    assert await ask(guest)
    assert guest.card() is CARD
    await guest.close()


async def test_an_embedder_is_loaded_too() -> None:
    embedder = SettledEmbedder(state="stopped")

    async def prepare(_: Say) -> Prepared[SettledEmbedder]:
        return Prepared(needed_bytes=1, make=lambda: embedder)

    residency = Residency(lambda: None)
    guest = OnDemandEmbedder("a", Source(prepare=prepare, look=lambda: None), residency, Habits())
    assert (await guest.embed(EMBEDDING)).tokens == (2,)
    await guest.close()


# --- who has to go -------------------------------------------------------------------------------


async def test_the_least_recently_used_makes_room() -> None:
    machine = Machine()
    first, second, third = (machine.guest(name, 40) for name in "abc")
    for guest in (first, second, first):
        await idle(machine, guest)
        machine.time.advance(1)
    await idle(machine, third)
    assert sorted(each.name for each in machine.live) == ["a", "c"]
    assert second.status().state == "unloaded"


async def test_nobody_goes_in_vain() -> None:
    machine = Machine()
    small, huge = machine.guest("small", 40), machine.guest("huge", 120)
    await idle(machine, small)
    with pytest.raises(ServerError) as refused:
        await huge.load()
    assert refused.value.kind == "insufficient_memory"
    assert small.status().state == "ready"


async def test_a_busy_model_stays_and_the_other_is_told_to_come_back() -> None:
    machine = Machine()
    asked = await loaded(machine, machine.guest("a", 60))
    with pytest.raises(ServerError, match="try again when a is not being asked") as refused:
        await machine.guest("b", 60).load()
    assert (refused.value.kind, refused.value.retry_after) == ("insufficient_memory", 5)
    asked.end()


async def test_both_figures_are_told() -> None:
    gib = 1 << 30
    machine = Machine(memory=17 * gib)
    with pytest.raises(ServerError) as refused:
        await machine.guest("a", int(18.4 * gib)).load()
    assert refused.value.message.startswith(
        "model requires more system memory (18.4 GiB) than is available (17.0 GiB); take a smaller"
    )
    assert refused.value.retry_after is None


async def test_no_more_than_allowed_are_loaded() -> None:
    machine = Machine(most=1)
    one, other = machine.guest("a", 1), machine.guest("b", 1)
    asked = await loaded(machine, one)
    with pytest.raises(ServerError, match="a is being asked, and no more than 1 may be") as refused:
        await other.load()
    assert refused.value.kind == "busy"
    asked.end()
    await asked.task
    await idle(machine, other)
    assert [each.name for each in machine.live] == ["b"]


async def test_where_the_system_says_nothing_everything_is_tried() -> None:
    residency = Residency(lambda: None)
    machine = Machine()
    await residency.admit(machine.guest("a", 10), 1 << 60)
    assert residency.room_bytes() is None


@pytest.mark.parametrize(
    ("state", "room"), [("loading", 70), ("stopped", 70), ("ready", 95), ("failed", 100)]
)
def test_one_that_stays_is_reckoned_with(state: str, room: int) -> None:
    residency = Residency(lambda: 100)
    card = replace(CARD, unclaimed_bytes=5)
    residency.settle(Resident(ScriptedEngine(state=state, card=card), lambda: 30))
    assert residency.room_bytes() == room


async def test_a_load_that_fails_when_nobody_waits_any_more_is_no_accident(
    caplog: pytest.LogCaptureFixture,
) -> None:
    machine = Machine()
    guest = machine.guest("a", 10)
    asked = Asking(guest)
    await quiet()
    asked.task.cancel()
    await quiet()
    machine.live[0].fails = True
    machine.live[0].come.set()
    await quiet()
    assert guest.status().state == "unloaded"
    gc.collect()
    (record,) = caplog.records
    assert (record.levelname, "it is broken" in record.getMessage()) == ("WARNING", True)
