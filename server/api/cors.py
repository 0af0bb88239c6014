"""Pages of other origins, and what a browser lets them do here. Pure ASGI, as all middleware."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from server.api.errors import error_response
from server.core.errors import ServerError

METHODS = ("GET", "HEAD", "POST", "DELETE")
# What a page may read of a reply beside its body.
EXPOSED = (
    "x-request-id",
    "retry-after",
    "openai-processing-ms",
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
)
PREFLIGHT_SECONDS = 600
# What other programs with a browser inside have as origins (app://, file://) are no pages.
PAGES = ("http://", "https://", "null")
HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of these origins ask, `*` is all of them, and none of other sites. Preflights are
    answered without a key, which browsers do not send with them.

    Cookies are never taken, so that no page asks in a user's name without knowing a key. Any header
    may be sent: the openai package alone has a dozen, and keys are nothing but headers.
    """
    if "*" not in origins:
        app.add_middleware(ForeignPages, origins=origins)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
            max_age=PREFLIGHT_SECONDS,
        )


class ForeignPages:
    """Refuses what a browser sends for a page of another site. What such a page posts as plain text
    comes without a preflight, and is computed though the page never sees the answer.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not self._is_foreign(scope):
            await self._app(scope, receive, send)
            return
        refusal = ServerError(
            "forbidden",
            "Pages of other sites may not ask this server; to let this one, its operator names its"
            " origin in CORS_ALLOW_ORIGINS.",
        )
        await error_response(scope, refusal)(scope, receive, send)

    def _is_foreign(self, scope: Scope) -> bool:
        if scope["method"] in HARMLESS:
            return False
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        # Browsers tell it themselves: behind a proxy the host alone would not.
        other_site = headers.get("sec-fetch-site") == "cross-site"
        return other_site and origin.startswith(PAGES) and origin not in self._origins
