"""POST /v1/embeddings: who asks, which model, and the vectors in the dialect's words."""

import asyncio
import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import allowed, service
from server.api.disconnect import ClientGone, unless_gone
from server.api.errors import CLIENT_GONE
from server.api.openapi import body_of
from server.auth.keys import Principal
from server.core.embeddings import EmbeddingRequest, Embeddings
from server.core.ports import Embedder
from server.dialects.openai_embeddings import (
    EmbeddingsBody,
    embeddings_body,
    read_embeddings_body,
    to_embedding_call,
)

log = logging.getLogger(__name__)
router = APIRouter(tags=["embeddings"])


@router.post(
    "/embeddings",
    summary="Turn texts into vectors",
    response_class=Response,
    openapi_extra=body_of(EmbeddingsBody),
)
async def create_embeddings(
    request: Request, _: Annotated[Principal, Depends(allowed("embeddings"))]
) -> Response:
    """A vector of length 1 for each input, made by the embedding model."""
    behind = service(request)
    body = read_embeddings_body(await request.body())
    resolved = behind.registry.resolve_embedder(body.model)
    call = to_embedding_call(body, behind.options)
    if call.unknown:
        log.debug("ignored unknown parameters: %s", ", ".join(call.unknown)[:200])
    embeddings = await embed_unless_gone(request, resolved.entry.engine, call.request)
    if isinstance(embeddings, Response):
        return embeddings
    # Of many vectors this takes long enough to be felt by others.
    content = await asyncio.to_thread(embeddings_body, resolved.asked, call, embeddings)
    return Response(content, media_type="application/json")


async def embed_unless_gone(
    request: Request, embedder: Embedder, asked: EmbeddingRequest
) -> Embeddings | Response:
    """The vectors, or a response for nobody when the client left first: nothing is computed for it
    any more. The request's body must have been read. Errors: ServerError.
    """
    try:
        return await unless_gone(request.receive, embedder.embed(asked))
    except ClientGone:
        log.info("the client left before its answer")
        return Response(status_code=CLIENT_GONE)
