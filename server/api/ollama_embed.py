"""POST /api/embed and the older /api/embeddings: Ollama's words for embeddings."""

import asyncio
import time

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import allowed, service
from server.api.embeddings import embed_unless_gone
from server.api.ollama import come_or_go, named_model
from server.api.openapi import body_of
from server.core.errors import ServerError
from server.core.ports import Loadable
from server.dialects import ollama_embed
from server.dialects.ollama_body import OllamaEmbedBody
from server.dialects.ollama_fields import read_request
from server.registry.entries import ResolvedEmbedder

router = APIRouter(prefix="/api", tags=["ollama"], dependencies=[Depends(allowed("embeddings"))])


@router.post(
    "/embed",
    summary="Turn texts into vectors, in Ollama's words",
    response_class=Response,
    openapi_extra=body_of(OllamaEmbedBody),
)
async def embed(request: Request) -> Response:
    """A vector of length 1 for each text. What is too long is cut unless `truncate` is false."""
    return await _answer(request, older=False)


@router.post(
    "/embeddings",
    summary="Turn one text into a vector, in Ollama's older words",
    response_class=Response,
    openapi_extra=body_of(OllamaEmbedBody),
)
async def embed_one(request: Request) -> Response:
    """The older form: one text, one vector."""
    return await _answer(request, older=True)


async def _answer(request: Request, *, older: bool) -> Response:
    began = time.perf_counter()
    body = read_request(await request.body(), OllamaEmbedBody)
    resolved = _resolve(request, body.model)
    asked = ollama_embed.to_embedding_request(body)
    if not asked.inputs and isinstance(resolved.entry.engine, Loadable):
        await come_or_go(resolved.entry, body.keep_alive)
    embeddings = ollama_embed.NOTHING
    if asked.inputs:
        answer = await embed_unless_gone(request, resolved.entry.engine, asked)
        if isinstance(answer, Response):
            return answer
        embeddings = answer
    if older:
        content = ollama_embed.older_embed_body(embeddings)
    else:
        seconds = time.perf_counter() - began
        # Of many vectors this takes long enough to be felt by others.
        content = await asyncio.to_thread(
            ollama_embed.embed_body, str(body.model), embeddings, seconds
        )
    return Response(content, media_type="application/json")


def _resolve(request: Request, name: str | None) -> ResolvedEmbedder:
    """The model that makes the vectors. Errors: see `named_model`; ServerError not_implemented."""
    found = named_model(request, name)
    try:
        return service(request).registry.resolve_embedder(found.entry.name)
    except ServerError:
        raise ollama_embed.no_embeddings() from None
