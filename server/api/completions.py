"""POST /v1/completions, and the same with the model in the address: plain completion."""

import logging
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import allowed, service
from server.api.openapi import body_of
from server.api.respond import respond
from server.auth.keys import Principal
from server.core.messages import RawPrompt
from server.core.ports import Engine
from server.dialects.openai_chat import Asked
from server.dialects.openai_completions import prompts_of, read_body, to_call
from server.dialects.openai_completions_body import CompletionsBody
from server.dialects.openai_effort import EFFORT_HEADER
from server.dialects.openai_tokens import text_of

log = logging.getLogger(__name__)
router = APIRouter(tags=["completions"])

Completer = Annotated[Principal, Depends(allowed("completions"))]


@router.post(
    "/completions",
    summary="Write on after a prompt",
    response_class=Response,
    openapi_extra=body_of(CompletionsBody),
)
async def create_completion(request: Request, who: Completer) -> Response:
    """A completion of each prompt; with `stream` as server-sent events, ended by `data: [DONE]`."""
    return await _complete(request, who, None)


@router.post(
    "/engines/{name:path}/completions",
    summary="Write on after a prompt, the model in the address",
    response_class=Response,
    openapi_extra=body_of(CompletionsBody),
)
async def create_engine_completion(request: Request, name: str, who: Completer) -> Response:
    """The same; the model is the one in the address."""
    return await _complete(request, who, name)


async def _complete(request: Request, who: Principal, model: str | None) -> Response:
    behind = service(request)
    body = read_body(await request.body())
    resolved = behind.registry.resolve(model or body.model)
    engine = resolved.entry.engine
    asked = Asked(
        id=f"cmpl-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=resolved.asked,
        served_by=f"{resolved.entry.name} {behind.options.version}",
        effort_header=request.headers.get(EFFORT_HEADER),
        effort_suffix=resolved.effort,
        owner=who.owner,
    )
    prompts = prompts_of(body)
    echoes = await _texts(engine, prompts) if body.echo else ()
    as_chat = behind.options.completions_as_chat and resolved.entry.chats
    rules = replace(behind.options, completions_as_chat=as_chat)
    call = to_call(body, prompts, asked, rules, echoes)
    if call.unknown:
        log.debug("ignored unknown parameters: %s", ", ".join(call.unknown)[:200])
    return await respond(request, engine, call, behind.options)


async def _texts(engine: Engine, prompts: Sequence[RawPrompt]) -> list[str]:
    """The prompts as texts. Errors: ServerError invalid for ids that there are not."""
    return [
        prompt.content
        if isinstance(prompt.content, str)
        else text_of(await engine.detokenize(prompt.content))
        for prompt in prompts
    ]
