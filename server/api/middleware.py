"""What happens to every request before a route sees it: an id, a limit on its body, a tidy path.

Pure ASGI: anything that wraps the response would hide a client's hang-up from the routes.
"""

import asyncio
import logging
import re
import secrets
import time
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.drain import Drain
from server.api.errors import error_response
from server.core.errors import ServerError
from server.logs import request_id

log = logging.getLogger(__name__)

# How long a client may go on sending what is not wanted.
HEAR_OUT_S = 10.0
OPENAI_VERSION = "2020-10-01"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_SLASHES = re.compile(r"/{2,}")
_ENDPOINT = "/chat/completions/"
# What there is below that endpoint itself.
_BELOW = frozenset({"input_tokens"})
_WATCHED = frozenset({"/health", "/healthz"})


class RequestId:
    """Names every request, by the client's own id where it sends a usable one, and stamps the
    reply's headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        name = _given_id(Headers(scope=scope)) or f"req_{secrets.token_hex(12)}"
        scope.setdefault("state", {})["request_id"] = name
        status = 0

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = name
                # Anthropic's clients look here.
                headers["request-id"] = name
                headers["openai-processing-ms"] = str(round((time.perf_counter() - began) * 1000))
                headers["openai-version"] = OPENAI_VERSION
            await send(message)

        token = request_id.set(name)
        try:
            await self._app(scope, receive, stamped)
        finally:
            _log(scope, status, time.perf_counter() - began)
            request_id.reset(token)


class BodyLimit:
    """Refuses bodies above a size, by their header where it tells and while reading otherwise. Such
    a body is heard out first, for a while: many clients and proxies look at no answer before they
    have sent all, and lose one that ends the connection under them.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            # Who asks first whether to send will not send.
            if "expect" not in headers:
                await _hear_out(receive)
            await error_response(scope, self._refusal())(scope, receive, send)
            return
        left = self._max_bytes

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                await _hear_out(receive)
                raise self._refusal()
            return message

        await self._app(scope, counted, send)

    def _refusal(self) -> ServerError:
        return ServerError(
            "too_large",
            f"The request body is larger than the {self._max_bytes} bytes that this server takes;"
            " send less.",
        )


async def _hear_out(receive: Receive) -> None:
    """Take what still comes of a body, and do nothing with it."""

    async def rest() -> None:
        while (message := await receive())["type"] == "http.request" and message.get("more_body"):
            pass

    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(rest(), HEAR_OUT_S)


class LastReply:
    """Says with each reply that the connection ends with it, once the server is about to."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._drain.begun:
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, closing)


class TidyPath:
    """Lets untidy base URLs work: doubled and trailing slashes, and an endpoint's full address
    given as the base, to which a client appends the endpoint again. Below it, the path begins with
    the root path.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # Some proxies strip the path under which they publish the server and some do not;
            # ASGI wants it there.
            scope["path"] = scope.get("root_path", "") + tidy(inner_path(scope))
        await self._app(scope, receive, send)


def inner_path(scope: Scope) -> str:
    """The path inside the application, whether or not a proxy stripped what stands before it."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path[len(root) :] if root and f"{path}/".startswith(f"{root}/") else path


def tidy(path: str) -> str:
    """`/v1//models/` -> `/v1/models`; `/v1/chat/completions/models` -> `/v1/models`."""
    path = _SLASHES.sub("/", path).rstrip("/") or "/"
    base, found, rest = path.rpartition(_ENDPOINT)
    if not found:
        return path
    end = _ENDPOINT + rest if rest in _BELOW else f"/{rest}"
    return base.removesuffix(_ENDPOINT[:-1]) + end


def _log(scope: Scope, status: int, seconds: float) -> None:
    """One line a request. Never its query or body; those who only watch are not worth a line."""
    level = logging.DEBUG if inner_path(scope) in _WATCHED else logging.INFO
    client = scope["client"][0] if scope.get("client") else "somewhere"
    what = f"{scope['method']} {scope['path']}"
    log.log(level, "%s -> %s in %.3f s, from %s", what, status, seconds, client)


def _given_id(headers: Headers) -> str | None:
    for header in ("x-request-id", "x-client-request-id"):
        given = headers.get(header, "")
        if _GIVEN_ID.fullmatch(given):
            return given
    return None
