"""POST /v1/messages and /v1/messages/count_tokens: Anthropic's interface."""

import logging
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, Response

from server.api.deps import allowed, service
from server.api.openapi import body_of
from server.api.respond import respond
from server.auth.keys import Principal
from server.dialects.anthropic import Asked, read_body, read_count_body, to_call, to_count
from server.dialects.anthropic_body import CountBody, MessagesBody
from server.registry.entries import Resolved

log = logging.getLogger(__name__)
router = APIRouter(tags=["messages"])


@router.post(
    "/messages",
    summary="Answer a conversation, in Anthropic's words",
    response_class=Response,
    openapi_extra=body_of(MessagesBody),
)
async def create_message(
    request: Request, who: Annotated[Principal, Depends(allowed("chat"))]
) -> Response:
    """A Message; with `stream` as Anthropic's server-sent events."""
    behind = service(request)
    body = read_body(await request.body())
    resolved = behind.registry.resolve_chat(body.model)
    call = to_call(body, _asked(request, resolved, who), behind.options)
    if call.unknown:
        log.debug("ignored unknown parameters: %s", ", ".join(call.unknown)[:200])
    return await respond(request, resolved.entry.engine, call, behind.options)


@router.post(
    "/messages/count_tokens",
    summary="Count the tokens of a conversation",
    response_class=Response,
    openapi_extra=body_of(CountBody),
)
async def count_tokens(
    request: Request, who: Annotated[Principal, Depends(allowed("chat"))]
) -> Response:
    """The tokens of the prompt that this conversation makes; nothing is generated."""
    behind = service(request)
    body = read_count_body(await request.body())
    resolved = behind.registry.resolve_chat(body.model)
    asked = to_count(body, _asked(request, resolved, who), behind.options)
    tokens = await resolved.entry.engine.tokenize(asked)
    return JSONResponse({"input_tokens": len(tokens)})


def _asked(request: Request, resolved: Resolved, who: Principal) -> Asked:
    return Asked(
        id=f"msg_{secrets.token_hex(12)}",
        request_id=request.state.request_id,
        model=resolved.asked,
        effort_suffix=resolved.effort,
        owner=who.owner,
        vision=resolved.entry.vision,
    )
