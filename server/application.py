"""The application: settings in, an ASGI application out. Who runs it is not known here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from server import assemble
from server.api.app import build
from server.settings.settings import Settings
from server.settings.slices import api_options


def create_app(settings: Settings) -> FastAPI:
    """The whole server; its models are loaded when the application starts."""
    registry, library = assemble.served_models(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await registry.start()
        try:
            yield
        finally:
            await library.close()
            await registry.close()

    app = build(registry, settings.keys, api_options(settings), library, lifespan=lifespan)
    app.root_path = settings.root_path
    return app
