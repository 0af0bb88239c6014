"""The application for any ASGI server: `create_app(settings)`, or `server.main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from server import assemble
from server.api.app import build
from server.settings import Settings
from server.settings_load import SettingsError, load
from server.settings_slices import api_options


def create_app(settings: Settings) -> FastAPI:
    """The whole server; its models are loaded when the application starts."""
    registry = assemble.registry(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await registry.start()
        try:
            yield
        finally:
            await registry.close()

    app = build(registry, settings.keys, api_options(settings), lifespan=lifespan)
    app.root_path = settings.root_path
    return app


def __getattr__(name: str) -> Any:
    """`app` is made when an ASGI server asks for it: importing this module reads no settings."""
    if name == "app":
        try:
            return create_app(load())
        except SettingsError as error:
            # Whoever imports this wants a sentence, not a traceback.
            raise SystemExit(str(error)) from None
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
