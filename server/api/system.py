"""What the service is and whether it can answer: no key needed, nothing said about anybody's
requests.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from server.api.deps import service
from server.api.models import listed_model
from server.dialects.overview import Overview, health_object, root_object
from server.registry.entries import Served

router = APIRouter(tags=["system"])

# Where people look at what programs are told at "/".
_FOR_PEOPLE = "/docs"


@router.head("/", include_in_schema=False)
@router.get("/", summary="What this service is", response_class=Response)
async def root(request: Request) -> Response:
    """The models, the endpoints and the version; a browser is led to the documentation."""
    vary = {"Vary": "Accept"}
    if "text/html" in request.headers.get("accept", ""):
        root_path = request.scope.get("root_path", "")
        return RedirectResponse(root_path + _FOR_PEOPLE, status_code=307, headers=vary)
    return JSONResponse(root_object(_overview(request)), headers=vary)


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Whether it can answer", response_class=Response)
async def health(request: Request) -> Response:
    """200 when the default model can answer, 503 while it loads, after it failed, and once the
    server is about to end.
    """
    overview = _overview(request)
    report = health_object(overview)
    if service(request).drain.begun:
        return JSONResponse(report | {"status": "draining"}, status_code=503)
    return JSONResponse(report, status_code=200 if overview.ready else 503)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Whether it runs", response_class=Response)
async def alive() -> Response:
    """200 as long as the process answers at all, whatever its models do."""
    return JSONResponse({"status": "ok"})


def _overview(request: Request) -> Overview:
    behind = service(request)
    registry = behind.registry
    default = registry.default()
    status = default.engine.status()
    return Overview(
        version=behind.options.version,
        url=str(request.base_url).rstrip("/"),
        default_model=registry.default_name,
        state=status.state,
        detail=status.detail,
        models=[
            listed_model(name, entry) for entry in registry.entries() for name in entry.told_names
        ],
        health_text=behind.options.health_text,
        states={entry.name: _state(entry) for entry in registry.served()},
    )


def _state(entry: Served) -> Mapping[str, Any]:
    status = entry.engine.status()
    card = entry.engine.card()
    return {
        "state": status.state,
        "running": status.running,
        "waiting": status.waiting,
        "detail": status.detail,
        "demonstration": card is not None and card.demonstration,
    }
