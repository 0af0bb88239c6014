"""/api/*: Ollama's interface to the models that are served here."""

import logging
import secrets
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import allowed, authenticated, service
from server.api.disconnect import ClientGone, unless_gone
from server.api.errors import CLIENT_GONE
from server.api.openapi import body_of
from server.api.respond import respond
from server.auth.keys import Principal
from server.core.errors import ServerError
from server.core.ports import Loadable, ModelCard
from server.dialects import ollama, ollama_models
from server.dialects.ollama_body import (
    OllamaChatBody,
    OllamaGenerateBody,
    OllamaShowBody,
)
from server.dialects.ollama_errors import lacks, model_missing, refused
from server.dialects.ollama_fields import keep_alive_seconds, read_request
from server.dialects.ollama_models import OllamaModel
from server.registry.entries import (
    OURS,
    EmbedderEntry,
    Entry,
    Resolved,
    ResolvedEmbedder,
    Served,
)

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api", tags=["ollama"])
_AUTHENTICATED = [Depends(authenticated)]
Chatter = Annotated[Principal, Depends(allowed("chat"))]


@router.post(
    "/chat",
    summary="Answer a conversation, in Ollama's words",
    response_class=Response,
    openapi_extra=body_of(OllamaChatBody),
)
async def chat(request: Request, who: Chatter) -> Response:
    """Lines of JSON as the answer is written, or with `stream` false one object."""
    return await _answer(request, who, read_request(await request.body(), OllamaChatBody))


@router.post(
    "/generate",
    summary="Answer a prompt, in Ollama's words",
    response_class=Response,
    openapi_extra=body_of(OllamaGenerateBody),
)
async def generate(request: Request, who: Chatter) -> Response:
    """Lines of JSON as the answer is written, or with `stream` false one object."""
    return await _answer(request, who, read_request(await request.body(), OllamaGenerateBody))


@router.head("/tags", include_in_schema=False, dependencies=_AUTHENTICATED)
@router.get(
    "/tags", summary="List the models", response_class=Response, dependencies=_AUTHENTICATED
)
async def tags(request: Request) -> Response:
    """Every model, a row for each of its names that has a tag."""
    return _json(ollama_models.tags_body(listed(request)))


@router.get(
    "/ps", summary="List the loaded models", response_class=Response, dependencies=_AUTHENTICATED
)
async def ps(request: Request) -> Response:
    """The models that are in memory."""
    return _json(ollama_models.ps_body(listed(request, loaded=True)))


@router.post(
    "/show",
    summary="Describe a model",
    response_class=Response,
    openapi_extra=body_of(OllamaShowBody),
    dependencies=_AUTHENTICATED,
)
async def show(request: Request) -> Response:
    """What a model is and can do."""
    body = read_request(await request.body(), OllamaShowBody)
    resolved = named_model(request, body.model or body.name)
    card = _facts(resolved.entry)
    return _json(ollama_models.show_body(_model(resolved.asked, resolved.entry), card))


@router.head("/version", include_in_schema=False, dependencies=_AUTHENTICATED)
@router.get(
    "/version", summary="Ollama's version", response_class=Response, dependencies=_AUTHENTICATED
)
async def version(request: Request) -> Response:
    """The version of Ollama whose interface this is."""
    return _json(ollama_models.version_body(service(request).options.version))


async def _answer(
    request: Request, who: Principal, body: OllamaChatBody | OllamaGenerateBody
) -> Response:
    behind = service(request)
    if ollama.asks_nothing(body):
        return await _load(request, body)
    resolved = _resolve(request, body.model)
    asked = ollama.Asked(
        id=f"ollama-{secrets.token_hex(12)}",
        model=resolved.asked,
        clock=_now,
        effort_suffix=resolved.effort,
        owner=who.owner,
        vision=resolved.entry.vision,
    )
    if isinstance(body, OllamaChatBody):
        resolved.entry.check_chat()
        call = ollama.to_chat_call(body, asked, behind.options)
    else:
        # A prompt for a model that does not chat has no form that it could be put in.
        raw = body if resolved.entry.chats else body.model_copy(update={"raw": True})
        call = ollama.to_generate_call(raw, asked, behind.options)
    if call.unknown:
        log.debug("ignored unknown parameters: %s", ", ".join(call.unknown)[:200])
    return await respond(request, resolved.entry.engine, call, behind.options)


async def _load(request: Request, body: OllamaChatBody | OllamaGenerateBody) -> Response:
    """The reply to a client that only wants the model to be there, or gone."""
    found = named_model(request, body.model)
    content = ollama.to_load_reply(body, found.asked, _now)
    try:
        await unless_gone(request.receive, come_or_go(found.entry, body.keep_alive))
    except ClientGone:
        return Response(status_code=CLIENT_GONE)
    return _json(content)


async def come_or_go(entry: Served, keep_alive: object) -> None:
    """Load a model, or unload it where it is to be kept alive for no time. One that always stays
    has to be there. Errors: ServerError.
    """
    seconds = keep_alive_seconds(keep_alive)
    if not isinstance(entry.engine, Loadable):
        _loaded(entry)
    elif seconds == 0:
        await entry.engine.unload()
    else:
        await entry.engine.load(seconds)


def _resolve(request: Request, name: str | None) -> Resolved:
    """The model that is to write. Errors: see `named_model`; ServerError invalid for another."""
    resolved = named_model(request, name)
    if isinstance(resolved, ResolvedEmbedder):
        raise lacks(f'"{resolved.asked[:100]}"', "chat", "model")
    return resolved


def named_model(request: Request, name: str | None) -> Resolved | ResolvedEmbedder:
    """The model that an Ollama client means, echoed as it wrote it where it has that name. Errors:
    ServerError invalid, model_not_found, in Ollama's words.
    """
    if not name:
        raise refused("model is required", "model")
    for candidate in ollama_models.candidates(name):
        try:
            found = service(request).registry.find(candidate)
        except ServerError:
            continue
        # Another name is that of the model which answers in place of one that is not served.
        return replace(found, asked=name) if found.asked == candidate else found
    raise model_missing(name[:100])


def _facts(entry: Served) -> ModelCard:
    """The facts of a model. Errors: ServerError loading, engine_failed."""
    card = entry.engine.card()
    if not isinstance(entry.engine, Loadable):
        return _loaded(entry)
    if card is None:
        raise ServerError(
            "loading",
            f"The model {entry.name} is not here yet: it is downloaded when it is first asked.",
        )
    return card


def _loaded(entry: Served) -> ModelCard:
    """The facts of a model that can answer. Errors: ServerError loading, engine_failed."""
    status, card = entry.engine.status(), entry.engine.card()
    if status.state == "ready" and card is not None:
        return card
    if status.state == "failed":
        raise ServerError("engine_failed", f"The model {entry.name} failed: {status.detail}")
    raise ServerError("loading", f"The model {entry.name} is being loaded; try again soon.")


def listed(request: Request, *, loaded: bool = False) -> list[OllamaModel]:
    """Every model, once for each of its names that has a tag; with `loaded` those in memory."""
    return [
        _model(name, entry)
        for entry in service(request).registry.served()
        for name in ollama_models.listed_names(entry.name, entry.aliases, entry.copies)
        if not loaded or _in_memory(entry)
    ]


def _in_memory(entry: Served) -> bool:
    return entry.owner == OURS and entry.engine.status().state == "ready"


def _model(name: str, entry: Served) -> OllamaModel:
    expires_in_s = entry.engine.status().expires_in_s
    return OllamaModel(
        name=name,
        served_name=entry.name,
        created=entry.created,
        card=entry.engine.card(),
        capabilities=_capabilities(entry),
        expires_at=None if expires_in_s is None else _in(expires_in_s),
    )


def _capabilities(entry: Served) -> tuple[str, ...]:
    match entry:
        case Entry():
            if not entry.chats:
                return ollama_models.COMPLETION
            sees = ("vision",) if entry.vision else ()
            return (*ollama_models.capabilities(entry.engine.card()), *sees)
        case EmbedderEntry():
            return ollama_models.EMBEDDING


def _in(seconds: float) -> datetime | None:
    """The moment after so many seconds; None for one that no calendar has."""
    try:
        return _now() + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
