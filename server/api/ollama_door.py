"""A second address of the service, where Ollama's clients look for Ollama: its interface and /v1,
and nothing else. Knows only by which port a request came in.
"""

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.middleware import tidy
from server.dialects.ollama_models import GREETING

_INSIDE = ("/api/", "/v1/")


class OllamaDoor:
    """Lets requests to `port` see what Ollama has; all others see the whole application."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope.get("server") or ("", None))[1] == self._port:
            path = tidy(scope["path"])
            if not path.startswith(_INSIDE):
                await _outside(scope["method"], path)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _outside(method: str, path: str) -> PlainTextResponse:
    """As Ollama answers there, where clients look for signs of life."""
    if path != "/":
        return PlainTextResponse("404 page not found", status_code=404)
    if method not in ("GET", "HEAD"):
        return PlainTextResponse("405 method not allowed", 405, headers={"Allow": "GET, HEAD"})
    return PlainTextResponse(GREETING)
