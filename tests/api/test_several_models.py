"""Several models behind one address: which answers what, when each is loaded, how that is told."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from server.api.app import build
from server.api.options import ApiOptions
from server.auth.keys import KeyTable
from server.core.events import Event
from server.core.messages import RawPrompt
from server.core.ports import EngineStatus, ModelCard
from server.core.request import GenerationRequest
from server.registry.entries import About, EmbedderEntry, Entry
from server.registry.loading import Habits, Prepared, Say, Source
from server.registry.on_demand import OnDemandEmbedder, OnDemandEngine
from server.registry.registry import Registry
from server.registry.residency import Residency
from tests.api.serving import CHAT, MESSAGES, client_of, listening
from tests.fakes import CARD, Pause, ScriptedEmbedder, ScriptedEngine
from tests.guests import Time

GIB = 1 << 30
MEMORY = 10 * GIB


class Guest(ScriptedEngine):
    """An engine that is ready when `come` is set, as it is at first."""

    def __init__(self, *script: Any) -> None:
        super().__init__(*script, state="stopped")
        self.begun = asyncio.Event()
        self.come = asyncio.Event()
        self.come.set()

    async def start(self) -> None:
        self.state = "loading"
        self.begun.set()

    async def settled(self) -> EngineStatus:
        await self.come.wait()
        self.state = "ready"
        return self.status()


class Watched(OnDemandEngine):
    """Says when an answer has ended, well or not."""

    def __init__(self, left: asyncio.Event, *more: Any) -> None:
        super().__init__(*more)
        self._left = left

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        try:
            async with aclosing(super().generate(request)) as events:
                async for event in events:
                    yield event
        finally:
            self._left.set()


class GuestEmbedder(ScriptedEmbedder):
    async def settled(self) -> EngineStatus:
        return self.status()


class House:
    """A default model, one that comes and goes and only completes, one that is too large, and two
    embedders.
    """

    def __init__(self, plain: Guest | None = None, **options: Any) -> None:
        self.time = Time()
        self.residency = Residency(lambda: MEMORY)
        self.left = asyncio.Event()
        self.main = ScriptedEngine()
        self.plain = plain or Guest()
        self.embedders = [GuestEmbedder(), GuestEmbedder()]
        plain_engine = self._engine("plain", self.plain, 1, CARD)
        about = About(description="writes on", repository="o/r", dtype="float16", device="cpu")
        self.registry = Registry(
            [
                Entry(name="main", engine=self.main, created=1),
                Entry(name="plain", engine=plain_engine, created=2, chat=False, about=about),
                Entry(
                    name="huge", engine=self._engine("huge", Guest(), 2 * MEMORY, None), created=3
                ),
                *(
                    EmbedderEntry(name=name, engine=self._embedder(name, embedder), created=4)
                    for name, embedder in zip(("one", "two"), self.embedders, strict=True)
                ),
            ],
            "main",
        )
        given = ApiOptions(version="0.0.0", **options)
        self.app: FastAPI = build(self.registry, KeyTable(), given)

    def _engine(
        self, name: str, engine: Guest, needed: int, card: ModelCard | None
    ) -> OnDemandEngine:
        async def prepare(_: Say) -> Prepared[Guest]:
            return Prepared(needed_bytes=needed, make=lambda: engine)

        source = Source(prepare=prepare, look=lambda: card)
        return Watched(self.left, name, source, self.residency, self._habits())

    def _embedder(self, name: str, embedder: GuestEmbedder) -> OnDemandEmbedder:
        async def prepare(_: Say) -> Prepared[GuestEmbedder]:
            return Prepared(needed_bytes=1, make=lambda: embedder)

        source = Source(prepare=prepare, look=lambda: None)
        return OnDemandEmbedder(name, source, self.residency, self._habits())

    def _habits(self) -> Habits:
        return Habits(now=self.time.now, later=self.time.later)

    def state(self, name: str) -> str:
        return self.registry.find(name).entry.engine.status().state


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    yield made
    await made.registry.close()


async def loaded_names(client: httpx.AsyncClient) -> dict[str, Any]:
    models = (await client.get("/api/ps")).json()["models"]
    return {model["name"].removesuffix(":latest"): model for model in models}


ASKING_CHATS = [
    (CHAT, {"messages": MESSAGES}),
    ("/v1/responses", {"input": "Hi"}),
    ("/v1/messages", {"messages": MESSAGES, "max_tokens": 5}),
    ("/v1/messages/count_tokens", {"messages": MESSAGES}),
    ("/v1/chat/completions/input_tokens", {"messages": MESSAGES}),
    ("/tokenize", {"messages": MESSAGES}),
    ("/api/chat", {"messages": MESSAGES}),
    ("/chat", {"message": "Hi"}),
]


@pytest.mark.parametrize(("path", "body"), ASKING_CHATS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_only_completes_is_not_chatted_with(
    house: House, path: str, body: dict[str, Any], stream: bool
):
    more = {} if "token" in path else {"stream": stream}
    async with client_of(house.app) as client:
        response = await client.post(path, json=body | {"model": "plain"} | more)
    assert response.status_code == 501
    assert "use /v1/completions" in response.text
    if path == CHAT:
        error = response.json()["error"]
        assert (error["code"], error["param"]) == ("chat_not_supported", "model")
        assert response.headers["x-should-retry"] == "false"
    assert house.state("plain") == "unloaded"


@pytest.mark.parametrize("as_chat", [False, True])
async def test_it_completes_as_it_is(as_chat: bool):
    house = House(completions_as_chat=as_chat)
    async with client_of(house.app) as client:
        answered = await client.post("/v1/completions", json={"model": "plain", "prompt": "Once"})
        assert answered.json()["choices"][0]["text"] == "Hello"
        said = await client.post(
            "/api/generate", json={"model": "plain", "prompt": "Once", "stream": False}
        )
        assert (said.json()["response"], "context" in said.json()) == ("Hello", False)
        assert [each.prompt for each in house.plain.requests] == [RawPrompt(content="Once")] * 2
        counted = await client.post("/tokenize/count", json={"model": "plain", "input": "Once"})
        assert counted.status_code == 200
        refused = await client.post(
            "/api/generate", json={"model": "plain", "prompt": "a", "system": "b"}
        )
        assert refused.status_code == 400
    await house.registry.close()


async def test_a_model_is_loaded_when_it_is_asked_and_told_by_ps(house: House):
    async with client_of(house.app) as client:
        assert list(await loaded_names(client)) == ["main"]
        await client.post("/v1/completions", json={"model": "plain", "prompt": "a"})
        loaded = await loaded_names(client)
        assert list(loaded) == ["main", "plain"]
        expires = datetime.fromisoformat(loaded["plain"]["expires_at"].replace("Z", "+00:00"))
        away = expires - datetime.now(timezone.utc)
        assert timedelta(seconds=295) < away <= timedelta(seconds=300)
        assert loaded["main"]["expires_at"].startswith("2318")
        house.time.advance(300)
        await house.registry.find("plain").entry.engine.unload()
        assert list(await loaded_names(client)) == ["main"]


async def test_a_request_of_nothing_loads_and_unloads(house: House):
    async with client_of(house.app) as client:
        for path, nothing in (("/api/generate", {}), ("/api/chat", {"messages": []})):
            body = {"model": "plain", "keep_alive": -1, **nothing}
            assert (await client.post(path, json=body)).json()["done_reason"] == "load"
            loaded = await loaded_names(client)
            assert loaded["plain"]["expires_at"].startswith("2318")
            gone = await client.post(path, json={"model": "plain", "keep_alive": "0s", **nothing})
            assert gone.json()["done_reason"] == "unload"
            assert list(await loaded_names(client)) == ["main"]
        stays = await client.post("/api/generate", json={"model": "main", "keep_alive": 0})
        assert stays.json()["done_reason"] == "unload"
        assert list(await loaded_names(client)) == ["main"]


@pytest.mark.parametrize(("path", "body"), [("/api/generate", {}), ("/api/embed", {"input": ""})])
async def test_embedders_come_and_go_too(house: House, path: str, body: dict[str, Any]):
    async with client_of(house.app) as client:
        assert (await client.post(path, json={"model": "two", **body})).status_code == 200
        assert list(await loaded_names(client)) == ["main", "two"]
        await client.post(path, json={"model": "two", "keep_alive": 0, **body})
        assert list(await loaded_names(client)) == ["main"]


async def test_a_request_says_how_long_its_model_stays(house: House):
    asked = {"model": "plain", "prompt": "a", "stream": False}
    async with client_of(house.app) as client:
        await client.post("/api/generate", json=asked | {"keep_alive": "10m"})
        status = house.registry.find("plain").entry.engine.status()
        assert status.expires_in_s == 600
        await client.post("/api/embed", json={"model": "one", "input": "a", "keep_alive": -1})
        assert house.registry.find("one").entry.engine.status().expires_in_s is None
        await client.post("/api/generate", json=asked | {"keep_alive": 1e300})
        assert (await loaded_names(client))["plain"]["expires_at"].startswith("2318")


async def test_embedders_are_asked_by_name(house: House):
    async with client_of(house.app) as client:
        for name, index in (("two", 1), ("main", 0), ("one", 0)):
            reply = await client.post("/v1/embeddings", json={"model": name, "input": "cat"})
            assert reply.json()["model"] == ("two" if index else "one")
        assert [len(each.requests) for each in house.embedders] == [2, 1]


@pytest.mark.parametrize(
    ("path", "body"),
    [(CHAT, {"messages": MESSAGES}), ("/api/chat", {"messages": MESSAGES}), ("/api/generate", {})],
)
async def test_what_does_not_fit_is_refused_before_it_is_loaded(
    house: House, path: str, body: dict[str, Any]
):
    async with client_of(house.app) as client:
        refused = await client.post(path, json={"model": "huge", **body})
    assert refused.status_code == 503
    assert refused.headers["x-should-retry"] == "false"
    sentence = "model requires more system memory (20.0 GiB) than is available (10.0 GiB)"
    assert sentence in refused.text
    if path == CHAT:
        assert refused.json()["error"]["code"] == "insufficient_memory"
        assert refused.json()["detail"].startswith(sentence)


async def test_nobody_else_waits_for_a_load(house: House):
    house.plain.come.clear()
    async with client_of(house.app) as client:
        waiting = asyncio.create_task(
            client.post("/v1/completions", json={"model": "plain", "prompt": "a"})
        )
        reply = await client.post(CHAT, json={"messages": MESSAGES})
        assert reply.status_code == 200
        health = (await client.get("/health")).json()
        assert health["status"] == "ok"
        assert health["models"]["plain"]["state"] == "loading"
        assert health["models"]["one"]["state"] == "unloaded"
        assert not waiting.done()
        house.plain.come.set()
        assert (await waiting).status_code == 200


async def test_who_hangs_up_during_a_load_is_not_answered(house: House):
    house.plain.come.clear()
    async with listening(house.app) as url, httpx.AsyncClient(base_url=url) as client:
        body = {"model": "plain", "prompt": "a", "stream": True}
        leaving = asyncio.create_task(client.post("/v1/completions", json=body))
        await house.plain.begun.wait()
        leaving.cancel()
        await house.left.wait()
        house.plain.come.set()
        stays = await client.post("/v1/completions", json=body | {"stream": False})
        assert stays.status_code == 200
        assert len(house.plain.requests) == 1


async def test_a_busy_model_is_unloaded_after_its_last_word():
    pause = Pause()
    plain = Guest(*ScriptedEngine().script[:2], pause, *ScriptedEngine().script[2:])
    house = House(plain)
    async with client_of(house.app) as client:
        asking = asyncio.create_task(
            client.post("/v1/completions", json={"model": "plain", "prompt": "a"})
        )
        await pause.reached.wait()
        await client.post("/api/generate", json={"model": "plain", "keep_alive": 0})
        assert "plain" in await loaded_names(client)
        pause.go.set()
        assert (await asking).json()["choices"][0]["text"] == "Hello"
        assert "plain" not in await loaded_names(client)
    await house.registry.close()


async def test_what_a_model_can_do_is_told_everywhere(house: House):
    async with client_of(house.app) as client:
        await house.registry.start()
        listed = (await client.get("/v1/models")).json()["data"]
        assert {each["id"]: each["capabilities"] for each in listed} == {
            "main": ["chat"],
            "plain": ["completion"],
            "huge": ["chat"],
            "one": ["embeddings"],
            "two": ["embeddings"],
        }
        tags = (await client.get("/api/tags")).json()["models"]
        assert [each["capabilities"] for each in tags] == [
            ["completion", "tools", "thinking"],
            ["completion"],
            ["completion", "tools", "thinking"],
            ["embedding"],
            ["embedding"],
        ]


async def test_a_model_is_described_before_it_is_loaded(house: House):
    plain = house.registry.find("plain").entry.engine
    await plain.start()
    async with client_of(house.app) as client:
        absent = await client.post("/api/show", json={"model": "huge"})
        assert (absent.status_code, "when it is first asked" in absent.text) == (503, True)
        # It is looked at in a task of its own.
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
        shown = (await client.post("/api/show", json={"model": "plain"})).json()
        assert shown["capabilities"] == ["completion"]
        assert shown["model_info"]["gpt-oss.context_length"] == CARD.context_length
        described = (await client.get("/v1/models/plain")).json()
        assert described["metadata"] == {
            "description": "writes on",
            "huggingface_repo": "o/r",
            "max_context_tokens": CARD.context_length,
            "dtype": "float16",
            "default_device": "cpu",
        }
        other = (await client.get("/v1/models/huge")).json()["metadata"]
        assert (other["description"], other["max_context_tokens"]) == (None, None)
        root = (await client.get("/")).json()["available_models"]
        assert root["plain"]["description"] == "writes on"
        assert root["huge"]["description"] == "not loaded yet"
    assert house.state("plain") == "unloaded"


async def test_streams_of_models_that_come_are_whole(house: House):
    async with client_of(house.app) as client:
        reply = await client.post(
            "/v1/completions", json={"model": "plain", "prompt": "a", "stream": True}
        )
    *frames, done, _ = reply.text.split("\n\n")
    assert done == "data: [DONE]"
    texts = [json.loads(frame.removeprefix("data: "))["choices"][0]["text"] for frame in frames]
    assert "".join(texts) == "Hello"
