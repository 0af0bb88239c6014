"""/api/pull, delete, copy and create: models that clients add and remove, in Ollama's words."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response, StreamingResponse

from server.api.deps import authenticated, service
from server.api.disconnect import ClientGone, unless_gone
from server.api.errors import CLIENT_GONE
from server.api.openapi import body_of
from server.auth.keys import Principal
from server.core.errors import ServerError
from server.dialects import ollama_library as words
from server.dialects.ollama_errors import error_line
from server.dialects.ollama_fields import read_request
from server.dialects.ollama_reply import MEDIA_TYPE
from server.hub.progress import Progress
from server.library.library import Library

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api", tags=["ollama"])


async def manager(request: Request) -> Principal:
    """Who may add and remove models: holders of a key for it; without keys, whoever sits at this
    machine, but no web page from elsewhere that is open there. Errors: ServerError
    unauthenticated, forbidden, busy.
    """
    behind = service(request)
    who = await authenticated(request)
    if not (behind.keys.table.open and behind.options.local and _at_home(request)):
        who.require("admin")
    behind.drain.admit()
    return who


Manager = Annotated[Principal, Depends(manager)]


@router.post(
    "/pull",
    summary="Download a model and serve it",
    response_class=Response,
    openapi_extra=body_of(words.PullBody),
)
async def pull(request: Request, _: Manager) -> Response:
    """Lines of JSON that say how far it is, or with `stream` false one object at the end. A client
    that leaves ends the download unless another waits for it; what is here already stays.
    """
    body = read_request(await request.body(), words.PullBody)
    name = words.named(body)
    library = _library(request)
    # Whatever can be refused at once is refused before a stream begins.
    reference = library.find(name)
    progress = _nothing() if reference is None else library.pull(name, reference)
    if body.stream is not False:
        return StreamingResponse(_lines(progress), media_type=MEDIA_TYPE)
    try:
        await unless_gone(request.receive, _finished(progress))
    except ClientGone:
        return Response(status_code=CLIENT_GONE)
    return _json(words.status_body(words.SUCCESS))


@router.delete(
    "/delete",
    summary="Remove a model, or a further name of one",
    response_class=Response,
    openapi_extra=body_of(words.DeleteBody),
)
async def delete(request: Request, _: Manager) -> Response:
    """Once its requests have ended, a model that was pulled is removed with its file."""
    body = read_request(await request.body(), words.DeleteBody)
    await _library(request).delete(words.named(body))
    return Response()


@router.post(
    "/copy",
    summary="Give a model a further name",
    response_class=Response,
    openapi_extra=body_of(words.CopyBody),
)
async def copy(request: Request, _: Manager) -> Response:
    """Nothing is copied but the name."""
    body = read_request(await request.body(), words.CopyBody)
    source = words.required(body.source, "source")
    await _library(request).copy(source, words.required(body.destination, "destination"))
    return Response()


@router.post(
    "/create",
    summary="Give a model a further name, as if it were made",
    response_class=Response,
    openapi_extra=body_of(words.CreateBody),
)
async def create(request: Request, _: Manager) -> Response:
    """`from` a model that is here, as it is: what would change it is refused by name."""
    body = read_request(await request.body(), words.CreateBody)
    words.check_create(body)
    await _library(request).copy(words.required(body.from_, "from"), words.named(body))
    if body.stream is False:
        return _json(words.status_body(words.SUCCESS))
    lines = map(words.status_line, ("writing manifest", words.SUCCESS))
    return Response(b"".join(lines), media_type=MEDIA_TYPE)


@router.post("/push", summary="Refused: nothing is published from here", response_class=Response)
async def push(_: Manager) -> Response:
    """Always an error that says what to do instead."""
    raise words.push_refused()


def _at_home(request: Request) -> bool:
    """Whether no page from elsewhere sent it. Browsers say whose page asks, other programs do
    not; where names lead to this machine only its own are believed.
    """
    origin = request.headers.get("origin")
    if origin is None or origin in service(request).options.cors_origins:
        return True
    host = urlsplit(origin).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _library(request: Request) -> Library:
    """Errors: ServerError not_implemented."""
    library = service(request).library
    if library is None:
        raise ServerError("not_implemented", "models cannot be added or removed on this server")
    return library


async def _lines(progress: AsyncGenerator[Progress, None]) -> AsyncIterator[bytes]:
    yield words.status_line("pulling manifest")
    last: Progress | None = None
    try:
        async with aclosing(progress) as news:
            async for last in news:
                if last.total:
                    yield words.pulling_line(last.sha256, last.total, last.done)
    except ServerError as error:
        log.warning("a model was not pulled: %s", error.message)
        yield error_line(error)
        return
    for status in words.ENDING:
        yield words.status_line(status)


async def _finished(progress: AsyncGenerator[Progress, None]) -> None:
    async with aclosing(progress) as news:
        async for _ in news:
            pass


async def _nothing() -> AsyncGenerator[Progress, None]:
    """A download of what is here."""
    return
    yield


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
