"""POST /v1/chat/completions: steps 2 to 5 of a request's way, in order."""

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
from server.dialects.openai_chat import Asked, read_body, to_call
from server.dialects.openai_chat_body import ChatBody
from server.dialects.openai_effort import EFFORT_HEADER

log = logging.getLogger(__name__)
router = APIRouter(tags=["chat"])


@router.post(
    "/chat/completions",
    summary="Answer a conversation",
    response_class=Response,
    openapi_extra=body_of(ChatBody),
)
async def create_chat_completion(
    request: Request, who: Annotated[Principal, Depends(allowed("chat"))]
) -> Response:
    """A chat completion; with `stream` as server-sent events, ended by `data: [DONE]`."""
    behind = service(request)
    body = read_body(await request.body())
    resolved = behind.registry.resolve_chat(body.model)
    asked = Asked(
        id=f"chatcmpl-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=resolved.asked,
        served_by=f"{resolved.entry.name} {behind.options.version}",
        effort_header=request.headers.get(EFFORT_HEADER),
        effort_suffix=resolved.effort,
        owner=who.owner,
        vision=resolved.entry.vision,
    )
    call = to_call(body, asked, behind.options)
    if call.unknown:
        log.debug("ignored unknown parameters: %s", ", ".join(call.unknown)[:200])
    return await respond(request, resolved.entry.engine, call, behind.options)
