"""/api/*: Ollama's interface to the models that are served here. Nothing is pulled or removed."""

import logging
import secrets
from dataclasses import replace
from datetime import datetime, timezone
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import allowed, authenticated, service
from server.api.openapi import body_of
from server.api.respond import respond
from server.auth.keys import Principal
from server.core.errors import ServerError
from server.core.ports import ModelCard
from server.dialects import ollama, ollama_models
from server.dialects.ollama_body import (
    OllamaChatBody,
    OllamaGenerateBody,
    OllamaShowBody,
)
from server.dialects.ollama_errors import lacks, model_missing, refused
from server.dialects.ollama_fields import read_request
from server.dialects.ollama_models import OllamaModel
from server.registry import EmbedderEntry, Entry, Resolved, ResolvedEmbedder

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
    card = _loaded(resolved.entry)
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
    resolved = _resolve(request, body.model)
    asked = ollama.Asked(
        id=f"ollama-{secrets.token_hex(12)}",
        model=resolved.asked,
        clock=_now,
        effort_suffix=resolved.effort,
        owner=who.owner,
    )
    if ollama.asks_nothing(body):
        _loaded(resolved.entry)
        return _json(ollama.to_load_reply(body, asked))
    if isinstance(body, OllamaChatBody):
        call = ollama.to_chat_call(body, asked, behind.options)
    else:
        call = ollama.to_generate_call(body, asked, behind.options)
    if call.unknown:
        log.debug("ignored unknown parameters: %s", ", ".join(call.unknown)[:200])
    return await respond(request, resolved.entry.engine, call, behind.options)


def _resolve(request: Request, name: str | None) -> Resolved:
    """The model that is to write. Errors: see `named_model`; ServerError invalid for another."""
    resolved = named_model(request, name)
    if isinstance(resolved, ResolvedEmbedder):
        raise lacks(f'"{resolved.asked[:100]}"', "chat", "model")
    return resolved


def named_model(request: Request, name: str | None) -> Resolved | ResolvedEmbedder:
    """The model that an Ollama client means, echoed as it wrote it. Errors: ServerError invalid,
    model_not_found, in Ollama's words.
    """
    if not name:
        raise refused("model is required", "model")
    for candidate in ollama_models.candidates(name):
        try:
            return replace(service(request).registry.find(candidate), asked=name)
        except ServerError:
            continue
    raise model_missing(name[:100])


def _loaded(entry: Entry | EmbedderEntry) -> ModelCard:
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
        for name in ollama_models.listed_names(entry.name, entry.aliases)
        if not loaded or entry.engine.status().state == "ready"
    ]


def _model(name: str, entry: Entry | EmbedderEntry) -> OllamaModel:
    writes = isinstance(entry, Entry)
    card = entry.engine.card()
    return OllamaModel(
        name=name,
        served_name=entry.name,
        created=entry.created,
        card=card,
        capabilities=ollama_models.capabilities(card) if writes else ollama_models.EMBEDDING,
    )


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")
