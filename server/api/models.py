"""GET /v1/models: what is served."""

from dataclasses import replace

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import authenticated, service
from server.api.ollama import listed
from server.dialects.ollama_models import tag_objects
from server.dialects.openai_models import ListedModel, model_body, models_body
from server.registry import EmbedderEntry, Entry

router = APIRouter(tags=["models"], dependencies=[Depends(authenticated)])
union = APIRouter(tags=["models"], dependencies=[Depends(authenticated)])


@union.head("/models", include_in_schema=False)
@union.get("/models", summary="List the models, also in Ollama's words", response_class=Response)
async def list_models_twice(request: Request) -> Response:
    """OpenAI's list, and beside it Ollama's: for clients whose base URL ends before /v1."""
    entries = service(request).registry.served()
    own = [_listed(entry.name, entry) for entry in entries]
    body = models_body(own, {"models": tag_objects(listed(request))})
    return Response(body, media_type="application/json")


@router.head("/models", include_in_schema=False)
@router.get("/models", summary="List the models", response_class=Response)
async def list_models(request: Request) -> Response:
    """Every served model under its own name; aliases answer too, but are not listed."""
    entries = service(request).registry.served()
    body = models_body([_listed(entry.name, entry) for entry in entries])
    return Response(body, media_type="application/json")


@router.head("/models/{name:path}", include_in_schema=False)
@router.get("/models/{name:path}", summary="Describe a model", response_class=Response)
async def describe_model(request: Request, name: str) -> Response:
    """One model, by its name or any alias."""
    resolved = service(request).registry.find(name)
    body = model_body(_listed(resolved.asked, resolved.entry))
    return Response(body, media_type="application/json")


def _listed(name: str, entry: Entry | EmbedderEntry) -> ListedModel:
    card = entry.engine.card()
    listed = ListedModel(id=name, served_name=entry.name, created=entry.created, card=card)
    if isinstance(entry, EmbedderEntry):
        return replace(listed, capabilities=("embeddings",))
    sees = ("vision",) if entry.vision else ()
    return replace(listed, capabilities=("chat", *sees), owner=entry.owner)
