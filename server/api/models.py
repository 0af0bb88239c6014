"""GET /v1/models: what is served, in OpenAI's words, or in Anthropic's for those who read them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from server.api.deps import authenticated, service
from server.api.ollama import listed
from server.dialects import anthropic_models
from server.dialects.anthropic_models import MOST, VERSION_HEADER, Page
from server.dialects.ollama_models import tag_objects
from server.dialects.openai_models import ListedModel, Metadata, model_body, models_body
from server.registry.entries import EmbedderEntry, Entry, Served

router = APIRouter(tags=["models"], dependencies=[Depends(authenticated)])
union = APIRouter(tags=["models"], dependencies=[Depends(authenticated)])


@union.head("/models", include_in_schema=False)
@union.get("/models", summary="List the models, also in Ollama's words", response_class=Response)
async def list_models_twice(request: Request) -> Response:
    """OpenAI's list, and beside it Ollama's: for clients whose base URL ends before /v1."""
    entries = service(request).registry.served()
    own = [listed_model(entry.name, entry) for entry in entries]
    body = models_body(own, {"models": tag_objects(listed(request))})
    return Response(body, media_type="application/json")


@router.head("/models", include_in_schema=False)
@router.get("/models", summary="List the models", response_class=Response)
async def list_models(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
    after_id: str | None = None,
    before_id: str | None = None,
) -> Response:
    """Every served model under its own name; aliases answer too, but are not listed. A request with
    `anthropic-version` gets Anthropic's list, of the models that can chat: a page of it where
    `limit`, `after_id` or `before_id` say so.
    """
    entries = service(request).registry.served()
    if VERSION_HEADER in request.headers:
        chatting = [
            listed_model(entry.name, entry)
            for entry in entries
            if isinstance(entry, Entry) and entry.chats
        ]
        page = Page(limit=limit, after_id=after_id, before_id=before_id)
        body = anthropic_models.models_body(chatting, page)
    else:
        body = models_body([listed_model(entry.name, entry) for entry in entries])
    return Response(body, media_type="application/json")


@router.head("/models/{name:path}", include_in_schema=False)
@router.get("/models/{name:path}", summary="Describe a model", response_class=Response)
async def describe_model(request: Request, name: str) -> Response:
    """One model, by its name or any alias; in Anthropic's words for `anthropic-version`."""
    resolved = service(request).registry.find(name)
    model = listed_model(resolved.asked, resolved.entry)
    anthropics = VERSION_HEADER in request.headers
    body = anthropic_models.model_body(model) if anthropics else model_body(model)
    return Response(body, media_type="application/json")


def listed_model(name: str, entry: Served) -> ListedModel:
    """A model under one of its names."""
    about = entry.about
    return ListedModel(
        id=name,
        served_name=entry.name,
        created=entry.created,
        card=entry.engine.card(),
        capabilities=_capabilities(entry),
        owner=entry.owner,
        metadata=Metadata(
            description=about.description,
            huggingface_repo=about.repository,
            dtype=about.dtype,
            default_device=about.device,
        ),
    )


def _capabilities(entry: Served) -> tuple[str, ...]:
    match entry:
        case Entry():
            if not entry.chats:
                return ("completion",)
            return ("chat", "vision") if entry.vision else ("chat",)
        case EmbedderEntry():
            return ("embeddings",)
