"""Pages of other origins, and what a browser lets them do here. Pure ASGI, as all middleware."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

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


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of these origins ask; `*` is all of them, none changes nothing. Preflights are
    answered without a key, which browsers do not send with them.

    Cookies are never taken, so that no page asks in a user's name without knowing a key. Any header
    may be sent: the openai package alone has a dozen, and keys are nothing but headers.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=EXPOSED,
            max_age=PREFLIGHT_SECONDS,
        )
