"""The application on a scripted engine: in the process, or listening on a port of its own."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from server.api.app import build
from server.api.options import ApiOptions
from server.auth.keys import KeyTable
from server.library.library import Library
from server.registry.entries import GPT_OSS_ALIASES, EmbedderEntry, Entry
from server.registry.registry import Registry
from tests.fakes import ScriptedEmbedder, ScriptedEngine

CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
MESSAGES = [{"role": "user", "content": "Hi"}]


def app_on(
    engine: ScriptedEngine,
    keys: KeyTable | None = None,
    embedder: ScriptedEmbedder | None = None,
    library: Library | None = None,
    *,
    forgiving: bool = False,
    **options: Any,
) -> FastAPI:
    """The application with one model, `gpt-oss-20b`, and with an embedder `nomic` beside it."""
    entry = Entry(name="gpt-oss-20b", engine=engine, created=1_700_000_000, aliases=GPT_OSS_ALIASES)
    second = EmbedderEntry(name="nomic", engine=embedder, created=2) if embedder else None
    entries = [entry, *([second] if second else [])]
    registry = Registry(entries, "gpt-oss-20b", forgiving=forgiving)
    if library is not None:
        library.recall(registry)
    return build(registry, keys or KeyTable(), ApiOptions(version="0.0.0", **options), library)


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """A client inside the process; a failure of the application is a 500, as over a socket."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


class _Server(uvicorn.Server):
    """A uvicorn server with an event that says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """The application under uvicorn on a free port: its base URL, without a path."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await server.ready.wait()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
        listener.close()
