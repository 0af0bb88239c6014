"""POST /v1/responses, and the responses that were stored: retrieved, listed by item, deleted."""

import logging
import secrets
import time
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from server.api.deps import Service, allowed, service
from server.api.openapi import body_of
from server.api.respond import respond
from server.auth.keys import Principal
from server.core.ports import Engine
from server.dialects.base import Call
from server.dialects.openai_chat import Asked
from server.dialects.openai_effort import EFFORT_HEADER
from server.dialects.openai_responses import Memory, read_body, to_call
from server.dialects.openai_responses_body import ResponsesBody
from server.dialects.openai_responses_history import (
    RESPONSE_PREFIX,
    Page,
    WrittenTurn,
    deleted_body,
    input_items,
    list_body,
    not_found,
    read_turn,
    write_items,
)
from server.dialects.openai_tokens import input_tokens_body
from server.dialects.refusals import unsupported
from server.response_store import Kept, Turn

log = logging.getLogger(__name__)
router = APIRouter(tags=["responses"])

Caller = Annotated[Principal, Depends(allowed("chat"))]


@router.post(
    "/responses",
    summary="Answer, in the words of OpenAI's Responses",
    response_class=Response,
    openapi_extra=body_of(ResponsesBody),
)
async def create_response(request: Request, who: Caller) -> Response:
    """A response; with `stream` as server-sent events, of which `response.completed` (or
    `incomplete`, or `failed`) tells the end. Unless `store` is false, it can be retrieved and gone
    on from, for a while.
    """
    engine, call = await _asked(request, who)
    return await respond(request, engine, call, service(request).options)


@router.post(
    "/responses/input_tokens",
    summary="Count the tokens of a response's prompt",
    response_class=Response,
    openapi_extra=body_of(ResponsesBody),
)
async def count_input_tokens(request: Request, who: Caller) -> Response:
    """The tokens of the prompt that a Responses request makes; nothing is generated or stored."""
    engine, call = await _asked(request, who)
    return _json(input_tokens_body(await engine.tokenize(call.requests[0])))


@router.get("/responses/{response_id}", summary="Retrieve a response", response_class=Response)
async def retrieve_response(
    request: Request,
    response_id: str,
    who: Caller,
    stream: Annotated[bool, Query(description="false alone")] = False,
) -> Response:
    """A stored response, as its last event or its body told it."""
    if stream:
        raise unsupported("stream", "a stored response is given whole")
    kept = _kept(service(request), response_id, who.owner)
    return _json(kept.own.body)


@router.delete("/responses/{response_id}", summary="Delete a response", response_class=Response)
async def delete_response(request: Request, response_id: str, who: Caller) -> Response:
    """Forget a stored response. Those that went on from it keep what was said in it."""
    if not service(request).responses.delete(response_id, who.owner):
        raise _unknown(response_id)
    return _json(deleted_body(response_id))


@router.get(
    "/responses/{response_id}/input_items",
    summary="List what a response was made from",
    response_class=Response,
)
async def list_input_items(
    request: Request,
    response_id: str,
    who: Caller,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Literal["asc", "desc"] = "desc",
    after: str | None = None,
) -> Response:
    """The items that the model was given: the request's, and those of the responses before it."""
    turns = _kept(service(request), response_id, who.owner).turns
    page = Page(limit=limit, after=after, newest_first=order == "desc")
    return _json(list_body([_written(turn) for turn in turns], page))


async def _asked(request: Request, who: Principal) -> tuple[Engine, Call]:
    """Whom to ask, and what."""
    behind = service(request)
    body = read_body(await request.body())
    resolved = behind.registry.resolve_chat(body.model)
    asked = Asked(
        id=f"{RESPONSE_PREFIX}{secrets.token_hex(12)}",
        created=int(time.time()),
        model=resolved.asked,
        served_by=resolved.entry.name,
        effort_header=request.headers.get(EFFORT_HEADER),
        effort_suffix=resolved.effort,
        owner=who.owner,
        vision=resolved.entry.vision,
    )
    call = to_call(body, asked, behind.options, _memory(behind, body, asked))
    if call.unknown:
        log.debug("ignored unknown parameters: %s", ", ".join(call.unknown)[:200])
    return resolved.entry.engine, call


def _memory(behind: Service, body: ResponsesBody, asked: Asked) -> Memory:
    """What an earlier response knows, and how this one is kept. Errors: ServerError not_found."""
    earlier: tuple[Turn, ...] = ()
    if body.previous_response_id is not None:
        found = behind.responses.get(body.previous_response_id, asked.owner)
        if found is None:
            raise not_found(
                body.previous_response_id,
                param="previous_response_id",
                code="previous_response_not_found",
            )
        earlier = found.turns
    items = input_items(body.input, lambda id_: _found(behind, id_, asked.owner))
    stored = body.store is not False and behind.responses.enabled

    def keep(whole: bytes) -> None:
        if stored:
            own = Turn(input=write_items(items, asked.id), body=whole)
            kept = Kept(id=asked.id, owner=asked.owner, turns=(*earlier, own))
            if not behind.responses.put(kept):
                log.info("a response was too large to be stored")

    history = [item for turn in earlier for item in read_turn(_written(turn))]
    return Memory(history=history, items=items, stored=stored, keep=keep)


def _found(behind: Service, response_id: str, owner: str) -> WrittenTurn | None:
    kept = behind.responses.get(response_id, owner)
    return None if kept is None else _written(kept.own)


def _written(turn: Turn) -> WrittenTurn:
    return turn.input, turn.body


def _kept(behind: Service, response_id: str, owner: str) -> Kept:
    kept = behind.responses.get(response_id, owner)
    if kept is None:
        raise _unknown(response_id)
    return kept


def _unknown(response_id: str) -> Exception:
    return not_found(response_id, param="response_id", code="response_not_found")


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
