"""Whatever is asked of several models in whatever order: none is loaded twice at a time, none goes
while it is asked, memory is promised once, and everybody gets an end.
"""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from server.registry.on_demand import OnDemand
from tests.guests import Asking, Backend, Machine, quiet

NEEDS = {"a": 30, "b": 50, "c": 60, "huge": 101}
KEEP_ALIVE = st.sampled_from([None, 0.0, 10.0, -1.0])
NAMES = st.sampled_from(list(NEEDS))
STEPS = st.one_of(
    st.tuples(st.just("ask"), NAMES, KEEP_ALIVE),
    st.tuples(st.just("come"), NAMES),
    st.tuples(st.just("fail"), NAMES),
    st.tuples(st.just("end"), st.integers(0, 9)),
    st.tuples(st.just("leave"), st.integers(0, 9)),
    st.tuples(st.just("pass"), st.sampled_from([1.0, 10.0, 400.0])),
    st.tuples(st.just("unload"), NAMES),
    st.tuples(st.just("ask at once"), NAMES, NAMES),
    st.tuples(st.just("use"), NAMES),
    st.tuples(st.just("use and break"), NAMES),
    st.tuples(st.just("unload and ask"), NAMES),
)


class Play:
    """What happens, step by step."""

    def __init__(self, most: int | None) -> None:
        self.machine = Machine(most=most)
        self.guests: dict[str, OnDemand[Backend]] = {
            name: self.machine.guest(name, needed) for name, needed in NEEDS.items()
        }
        self.asked: list[Asking] = []
        self.unloading: list[asyncio.Task[None]] = []

    async def take(self, step: tuple[object, ...]) -> None:
        match step:
            case "use", str(name):
                for part in (("ask", name, None), ("come", name), ("end", -1)):
                    await self.take(part)
            case "use and break", str(name):
                for part in (("use", name), ("fail", name), ("ask", name, None)):
                    await self.take(part)
            case "unload and ask", str(name):
                self.unloading.append(asyncio.create_task(self.guests[name].unload()))
                self.asked.append(Asking(self.guests[name]))
            case "ask", str(name), keep_alive:
                self.asked.append(Asking(self.guests[name], keep_alive))
            case "ask at once", str(one), str(other):
                self.asked += [Asking(self.guests[one]), Asking(self.guests[other])]
            case "come" | "fail", str(name):
                if backend := self.machine.backend(name):
                    backend.fails = backend.fails or (step[0] == "fail" and not backend.users)
                    backend.come.set()
            case "end", int(index):
                if self.asked:
                    self.asked[index % len(self.asked)].end()
            case "leave", int(index):
                if self.asked:
                    self.asked[index % len(self.asked)].task.cancel()
            case "pass", float(seconds):
                self.machine.time.advance(seconds)
            case "unload", str(name):
                self.unloading.append(asyncio.create_task(self.guests[name].unload()))
        await quiet()
        self.machine.check()

    async def finish(self) -> None:
        """Let everything come to its end."""
        for each in self.asked:
            each.end()
        while not all(each.task.done() for each in self.asked):
            for backend in self.machine.live:
                backend.come.set()
            await quiet()
        for each in self.asked:
            await each.failure()
        self.machine.time.advance(1e6)
        await quiet()
        stay = [guest for guest in self.guests.values() if guest.status().expires_in_s is None]
        live = {backend.name for backend in self.machine.live}
        assert live <= {guest.name for guest in stay}
        for guest in self.guests.values():
            await guest.close()
        await asyncio.gather(*self.unloading)
        assert self.machine.live == []
        assert self.machine.residency.room_bytes() == self.machine.memory


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEPS, max_size=25), most=st.sampled_from([None, 1, 2]))
def test_models_come_and_go_in_order(steps: list[tuple[object, ...]], most: int | None) -> None:
    async def play() -> None:
        stage = Play(most)
        for step in steps:
            await stage.take(step)
        await stage.finish()

    asyncio.run(play())
