"""Health, for whoever watches the service: no key needed, nothing said about anybody's requests."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from server.api.deps import service
from server.core.ports import EngineState
from server.registry import Entry

router = APIRouter(tags=["system"])

# The state of the default model's engine -> (the word for it, the status of the reply).
_HEALTH: Mapping[EngineState, tuple[str, int]] = {
    "ready": ("ok", 200),
    "stopped": ("loading", 503),
    "loading": ("loading", 503),
    "restarting": ("loading", 503),
    "failed": ("error", 503),
}


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Whether it can answer", response_class=Response)
async def health(request: Request) -> Response:
    """200 when the default model can answer, 503 while it loads, after it failed, and once the
    server is about to end.
    """
    behind = service(request)
    registry = behind.registry
    default = registry.default()
    word, status = _HEALTH[default.engine.status().state]
    if behind.drain.begun:
        word, status = "draining", 503
    report = {
        "status": word,
        "model": default.name,
        "models": {entry.name: _state(entry) for entry in registry.entries()},
    }
    return JSONResponse(report, status_code=status)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", summary="Whether it runs", response_class=Response)
async def alive() -> Response:
    """200 as long as the process answers at all, whatever its models do."""
    return JSONResponse({"status": "ok"})


def _state(entry: Entry) -> dict[str, Any]:
    status = entry.engine.status()
    card = entry.engine.card()
    return {
        "state": status.state,
        "running": status.running,
        "waiting": status.waiting,
        "detail": status.detail,
        "demonstration": card is not None and card.demonstration,
    }
