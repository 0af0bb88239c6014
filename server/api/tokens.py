"""What a prompt is in tokens, without answering it: /tokenize, /detokenize, /tokenize/count, and
the counts that OpenAI's and llama.cpp's clients ask for.
"""

import secrets
import time
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import allowed, service
from server.api.openapi import body_of
from server.auth.keys import Principal
from server.core.messages import Conversation
from server.dialects import openai_chat, openai_tokens
from server.dialects.openai_chat import Asked
from server.dialects.openai_chat_body import ChatBody
from server.dialects.openai_effort import EFFORT_HEADER
from server.dialects.openai_tokens import DetokenizeBody, TokenizeBody
from server.registry.entries import Resolved

router = APIRouter(tags=["tokens"])
counts = APIRouter(tags=["tokens"])

Asker = Annotated[Principal, Depends(allowed("chat", "completions"))]


@router.post(
    "/tokenize",
    summary="Turn text or a chat into token ids",
    response_class=Response,
    openapi_extra=body_of(TokenizeBody),
)
async def tokenize(request: Request, who: Asker) -> Response:
    """The ids; with `return_token_strs` what each of them stands for."""
    body, resolved, tokens = await _tokenized(request, who)
    engine = resolved.entry.engine
    spelt = await engine.detokenize(tokens) if body.return_token_strs else None
    card = engine.card()
    length = card.context_length if card else None
    return _json(openai_tokens.tokenize_body(tokens, length, spelt))


@router.post(
    "/tokenize/count",
    summary="Count the tokens of text or a chat",
    response_class=Response,
    openapi_extra=body_of(TokenizeBody),
)
async def count_tokens(request: Request, who: Asker) -> Response:
    """How many ids `/tokenize` would give."""
    _, _, tokens = await _tokenized(request, who)
    return _json(openai_tokens.count_body(tokens))


@router.post(
    "/detokenize",
    summary="Turn token ids into text",
    response_class=Response,
    openapi_extra=body_of(DetokenizeBody),
)
async def detokenize(request: Request, _: Asker) -> Response:
    """The text of the ids; control tokens appear by their names."""
    body = openai_tokens.read_detokenize_body(await request.body())
    resolved = service(request).registry.resolve(body.model)
    spelt = await resolved.entry.engine.detokenize(openai_tokens.tokens_of(body))
    return _json(openai_tokens.detokenize_body(spelt))


@counts.post(
    "/chat/completions/input_tokens",
    summary="Count the tokens of a chat's prompt",
    response_class=Response,
    openapi_extra=body_of(ChatBody),
)
async def count_chat_tokens(request: Request, who: Asker) -> Response:
    """The tokens of the prompt that a chat completion request makes; nothing is generated."""
    behind = service(request)
    body = openai_chat.read_body(await request.body())
    resolved = behind.registry.resolve_chat(body.model)
    call = openai_chat.to_call(body, _asked(request, resolved, who), behind.options)
    tokens = await resolved.entry.engine.tokenize(call.requests[0])
    return _json(openai_tokens.input_tokens_body(tokens))


async def _tokenized(
    request: Request, who: Principal
) -> tuple[TokenizeBody, Resolved, tuple[int, ...]]:
    behind = service(request)
    raw = await request.body()
    body = openai_tokens.read_tokenize_body(raw)
    resolved = behind.registry.resolve(body.model)
    asked = openai_tokens.to_request(body, raw, _asked(request, resolved, who), behind.options)
    if isinstance(asked.prompt, Conversation):
        resolved.entry.check_chat()
    return body, resolved, await resolved.entry.engine.tokenize(asked)


def _asked(request: Request, resolved: Resolved, who: Principal) -> Asked:
    return Asked(
        id=f"tokens-{secrets.token_hex(12)}",
        created=int(time.time()),
        model=resolved.asked,
        served_by=resolved.entry.name,
        effort_header=request.headers.get(EFFORT_HEADER),
        effort_suffix=resolved.effort,
        owner=who.owner,
        vision=resolved.entry.vision,
    )


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
