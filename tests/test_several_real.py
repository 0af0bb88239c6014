"""Several real models in real workers: they come when they are asked, and go when it is time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from server.assemble import Workshop
from server.core.errors import ServerError
from server.core.events import Answer, collect
from server.core.messages import RawPrompt
from server.core.ports import Engine, ModelCard
from server.core.request import GenerationRequest
from server.engines.local import LocalEngine, LocalOptions
from server.formats.choice import completing
from server.main import create_app
from server.model_files.source import model_source
from server.registry.loading import Habits
from server.registry.on_demand import OnDemandEngine
from server.registry.residency import Residency
from server.settings.registry_file import Listing, LocalSource
from server.settings.settings import Settings
from tests.engines.models import GREEDY, TINY, limits, options
from tests.gpt2 import CONTEXT, write_gpt2
from tests.guests import Time

MEMORY = 8 << 30


@asynccontextmanager
async def guest(
    path: Path, time: Time, made: list[LocalEngine] | None = None
) -> AsyncIterator[OnDemandEngine]:
    """A model that only completes and comes and goes as `time` passes. `made` gets its engines."""

    def make(given: LocalOptions) -> LocalEngine:
        engine = LocalEngine(given, completing)
        if made is not None:
            made.append(engine)
        return engine

    given = LocalOptions(name="guest", model=options(path), limits=limits())
    habits = Habits(now=time.now, later=time.later)
    source = model_source(given, make, None)
    engine = OnDemandEngine("guest", source, Residency(lambda: MEMORY), habits)
    try:
        yield engine
    finally:
        await engine.close()


async def completed(engine: Engine, text: str = "Once") -> Answer:
    request = GenerationRequest(
        id="test", prompt=RawPrompt(content=text), sampling=GREEDY, max_tokens=5, reasoning_budget=0
    )
    return await collect(engine.generate(request))


async def test_a_worker_comes_with_the_first_request_and_goes_in_time() -> None:
    time, made = Time(), []
    async with guest(TINY, time, made) as engine:
        assert (engine.status().state, made) == ("unloaded", [])
        first, second = await asyncio.gather(completed(engine), completed(engine))
        assert first.text == second.text
        (worker,) = made
        pid = worker.worker_pid
        assert pid is not None
        os.kill(pid, 0)
        time.advance(300)
        await engine.unload()
        assert engine.status().state == "unloaded"
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        card = engine.card()
        assert isinstance(card, ModelCard)
        assert card.size_bytes > 0
        assert (await completed(engine)).text == first.text
        assert len(made) == 2


async def test_a_file_that_is_broken_is_told_to_whoever_asks(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(TINY.read_bytes()[:-1000])
    async with guest(broken, Time()) as engine:
        for _ in range(2):
            with pytest.raises(ServerError, match=r"llama\.cpp cannot load the model file") as told:
                await completed(engine)
            assert told.value.kind == "engine_failed"
            assert "; download it again" in told.value.message
        broken.unlink()
        with pytest.raises(ServerError, match=r"guest cannot be loaded: .*No such file"):
            await completed(engine)
        broken.write_bytes(TINY.read_bytes())
        assert await completed(engine)


async def test_another_architecture_completes(tmp_path: Path) -> None:
    path = write_gpt2(TINY, tmp_path / "gpt2.gguf")
    async with guest(path, Time()) as engine:
        answer = await completed(engine)
        assert answer.finished.usage.completion_tokens == 5
        card = engine.card()
        assert card is not None
        assert (card.architecture, card.context_length) == ("gpt2", CONTEXT)


async def test_a_model_is_one_of_several_from_the_list_to_the_answer(tmp_path: Path) -> None:
    entries = [
        {"name": "other", "path": str(TINY), "keep_alive": -1, "n_parallel": 1},
        {"name": "gpt2", "path": str(write_gpt2(TINY, tmp_path / "gpt2.gguf")), "chat": False},
    ]
    (tmp_path / "list.yaml").write_text(yaml.safe_dump(entries))
    settings = Settings(
        model_registry_path=str(tmp_path / "list.yaml"),
        prefix_cache_disk="0",
        n_threads=1,
        n_parallel=2,
        include_default_models=False,
    )
    app = create_app(settings)
    registry = app.state.service.registry
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        # The first of the list is the default one, and loaded from the beginning.
        await registry.default().engine.settled()
        body = {"messages": [{"role": "user", "content": "Hello!"}], "temperature": 0}
        said = (await client.post("/v1/chat/completions", json=body)).json()
        assert said["model"] == "other"
        assert said["choices"][0]["message"]["content"]
        states = (await client.get("/health")).json()["models"]
        assert {name: each["state"] for name, each in states.items()} == {
            "other": "ready",
            "gpt2": "unloaded",
        }
        more = {"model": "gpt2", "prompt": "Once", "max_tokens": 4, "temperature": 0}
        assert (await client.post("/v1/completions", json=more)).status_code == 200
        loaded = (await client.get("/api/ps")).json()["models"]
        assert [each["name"] for each in loaded] == ["other:latest", "gpt2:latest"]
        assert loaded[0]["expires_at"].startswith("2318")
    assert registry.default().engine.status().state == "stopped"


async def test_an_engine_says_what_the_system_does_not_see() -> None:
    async with guest(TINY, Time()) as engine:
        assert engine.unclaimed_bytes() is None
        await engine.load()
        unclaimed = engine.unclaimed_bytes()
        assert unclaimed is not None
        assert unclaimed >= TINY.stat().st_size // 2


async def test_models_are_added_and_removed_while_the_server_runs() -> None:
    workshop = Workshop(Settings(prefix_cache_disk="0", n_threads=1))
    registry = workshop.registry()
    await registry.start()
    try:
        listing = Listing(name="new", origin=LocalSource(model=TINY), chat=False)
        await registry.add(workshop.entry(listing))
        registry.alias("copy", "new")
        engine = registry.resolve("copy").entry.engine
        assert await completed(engine)
        assert engine.status().state == "ready"
        await registry.remove("copy")
        await registry.remove("new")
        assert engine.status().state == "stopped"
        with pytest.raises(ServerError, match="this server has gpt-oss-20b"):
            registry.resolve("new")
        await registry.add(workshop.entry(listing))
        assert await completed(registry.resolve("new").entry.engine)
    finally:
        await registry.close()
