"""POST /chat and /chat/{model_name}: one message in, one text out."""

import logging
import secrets
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import allowed, service
from server.api.openapi import body_of
from server.api.respond import respond
from server.auth.keys import Principal
from server.dialects.openai_chat import Asked
from server.dialects.openai_effort import EFFORT_HEADER
from server.dialects.simple import SimpleBody, read_body, to_call

log = logging.getLogger(__name__)
router = APIRouter(tags=["chat"])

Chatter = Annotated[Principal, Depends(allowed("chat"))]


@router.post(
    "/chat",
    summary="Answer one message",
    response_class=Response,
    openapi_extra=body_of(SimpleBody),
)
async def chat(request: Request, who: Chatter) -> Response:
    """`{response, model, usage}`; with `stream` the text as server-sent events, ended by
    `data: [DONE]`.
    """
    return await _answer(request, who, None)


@router.post(
    "/chat/{model_name:path}",
    summary="Answer one message, the model in the address",
    response_class=Response,
    openapi_extra=body_of(SimpleBody),
)
async def chat_with_model(request: Request, model_name: str, who: Chatter) -> Response:
    """The same; the model is the one in the address."""
    return await _answer(request, who, model_name)


async def _answer(request: Request, who: Principal, model: str | None) -> Response:
    behind = service(request)
    body = read_body(await request.body())
    resolved = behind.registry.resolve_chat(model or body.model)
    asked = Asked(
        id=f"chat-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=resolved.asked,
        served_by=resolved.entry.name,
        effort_header=request.headers.get(EFFORT_HEADER),
        effort_suffix=resolved.effort,
        owner=who.owner,
    )
    call = to_call(body, asked, behind.options)
    if call.unknown:
        log.debug("ignored unknown parameters: %s", ", ".join(call.unknown)[:200])
    return await respond(request, resolved.entry.engine, call, behind.options)
