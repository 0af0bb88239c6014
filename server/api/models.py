"""GET /v1/models: what is served."""

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from server.api.deps import authenticated, service
from server.api.ollama import listed
from server.dialects.ollama_models import tag_objects
from server.dialects.openai_models import ListedModel, Metadata, model_body, models_body
from server.registry import EmbedderEntry, Entry, Served

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
async def list_models(request: Request) -> Response:
    """Every served model under its own name; aliases answer too, but are not listed."""
    entries = service(request).registry.served()
    body = models_body([listed_model(entry.name, entry) for entry in entries])
    return Response(body, media_type="application/json")


@router.head("/models/{name:path}", include_in_schema=False)
@router.get("/models/{name:path}", summary="Describe a model", response_class=Response)
async def describe_model(request: Request, name: str) -> Response:
    """One model, by its name or any alias."""
    resolved = service(request).registry.find(name)
    body = model_body(listed_model(resolved.asked, resolved.entry))
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
        case Entry(chat=True):
            return ("chat", "vision") if entry.vision else ("chat",)
        case Entry():
            return ("completion",)
        case EmbedderEntry():
            return ("embeddings",)
