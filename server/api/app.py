"""Puts the HTTP side together: routes, middleware, errors. Knows no settings and no engines."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI

from server.api import (
    chat,
    completions,
    embeddings,
    errors,
    messages,
    models,
    ollama,
    ollama_embed,
    ollama_library,
    responses,
    simple,
    system,
    tokens,
)
from server.api.bodies import BODIES
from server.api.cors import allow_origins
from server.api.deps import Service
from server.api.drain import Drain
from server.api.forwarded import Forwarded
from server.api.middleware import BodyLimit, LastReply, RequestId, TidyPath
from server.api.openapi import describe
from server.api.options import ApiOptions
from server.auth.keys import KeyTable
from server.auth.ring import KeyRing
from server.library.library import Library
from server.registry.registry import Registry
from server.response_store import ResponseStore

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build(
    registry: Registry,
    keys: KeyTable,
    options: ApiOptions,
    library: Library | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """The application. `lifespan` starts and closes what it was given; nothing is started here.
    Without a `library` no models are added or removed.
    """
    app = FastAPI(
        title="gpt-api",
        description="An OpenAI-compatible server for gpt-oss on one's own machine.",
        version=options.version,
        lifespan=lifespan,
        # A redirect loses the body of a POST in many clients; TidyPath makes it needless.
        redirect_slashes=False,
    )
    drain = Drain()
    app.state.service = Service(
        registry=registry,
        library=library,
        keys=KeyRing(keys),
        options=options,
        responses=ResponseStore(options.responses),
        drain=drain,
    )
    _add_routes(app)
    errors.install(app)
    describe(app, *BODIES)
    # The last one added is the outermost: even a refused body gets a request id.
    app.add_middleware(TidyPath)
    app.add_middleware(BodyLimit, max_bytes=options.max_body_bytes)
    app.add_middleware(LastReply, drain=drain)
    allow_origins(app, options.cors_origins)
    app.add_middleware(RequestId)
    app.add_middleware(Forwarded, proxies=options.trusted_proxies)
    return app


def _add_routes(app: FastAPI) -> None:
    """The order decides where two routes fit: what begins with /chat may name a model."""
    app.include_router(models.union)
    for router in (
        chat.router,
        tokens.counts,
        completions.router,
        responses.router,
        messages.router,
        embeddings.router,
        models.router,
    ):
        app.include_router(router, prefix="/v1")
        app.include_router(router, include_in_schema=False)
    app.include_router(tokens.router)
    # Where llama-cpp-python's and others' clients look for them.
    for prefix in ("/v1", "/extras"):
        app.include_router(tokens.router, prefix=prefix, include_in_schema=False)
    app.include_router(simple.router)
    app.include_router(ollama.router)
    app.include_router(ollama_embed.router)
    app.include_router(ollama_library.router)
    app.include_router(system.router)
