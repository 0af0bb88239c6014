"""Every failure -> a status, headers and a body in the dialect's words. Never a stack trace.

Holds the one table kind -> status; which dialect speaks at an address `wording` knows.
"""

import math
from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from server.api.wording import wording
from server.core.errors import ErrorKind, ServerError
from server.dialects.json_body import path_text, reason_text
from server.dialects.refusals import invalid_value

STATUS: Mapping[ErrorKind, int] = {
    "invalid": 400,
    "context_too_long": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "model_not_found": 404,
    "too_large": 413,
    "busy": 503,
    "loading": 503,
    "insufficient_memory": 503,
    "engine_failed": 500,
    "upstream_failed": 502,
    "not_implemented": 501,
    "timeout": 504,
}
# nginx's number for a client that left before its answer; seen by logs only.
CLIENT_GONE = 499

INTERNAL_ERROR = (
    "The server failed to answer this request. Try again; if it happens again, tell the operator"
    " the value of the header x-request-id."
)
# Seconds after which to try again, where nobody knows better. The openai package waits as long as
# it is told up to two minutes, and does not try again at all when told more.
_RETRY_AFTER: Mapping[ErrorKind, float] = {"busy": 2, "loading": 5}
_LONGEST_RETRY = 120


def error_response(scope: Scope, error: ServerError, status: int | None = None) -> Response:
    """The reply to the request of this scope; `status` overrides the kind's own."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    words = wording(path, Headers(scope=scope))
    request_id = scope.get("state", {}).get("request_id", "")
    return Response(
        words.body(error, request_id),
        status_code=status or words.status.get(error.kind) or STATUS[error.kind],
        headers=_headers(error),
        media_type="application/json",
    )


def install(app: FastAPI) -> None:
    """Make `app` answer every exception in this shape."""
    app.add_exception_handler(ServerError, _server_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    app.add_exception_handler(Exception, _internal_error)


def _headers(error: ServerError) -> dict[str, str]:
    headers = {}
    if error.kind == "unauthenticated":
        headers["WWW-Authenticate"] = "Bearer"
    retry_after = error.retry_after or _RETRY_AFTER.get(error.kind)
    if retry_after is not None:
        headers["Retry-After"] = str(min(max(math.ceil(retry_after), 1), _LONGEST_RETRY))
    # What is certain to fail again is not worth another try.
    hopeless = error.kind == "not_implemented" or (
        error.kind == "insufficient_memory" and error.retry_after is None
    )
    if hopeless or error.code == "insufficient_quota":
        headers["x-should-retry"] = "false"
    return headers


async def _server_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServerError)
    return error_response(request.scope, error)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: an unknown URL, a wrong method."""
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        message = f"Unknown URL: {where}. See /docs for what there is."
        return error_response(request.scope, ServerError("not_found", message))
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"Not allowed: {where}. This URL takes {allowed}."
        refusal = ServerError("invalid", message, code="method_not_supported")
        response = error_response(request.scope, refusal, status=405)
        response.headers["Allow"] = allowed
        return response
    refusal = ServerError("invalid", str(error.detail))
    return error_response(request.scope, refusal, status=error.status_code)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail = error.errors()[0]
    param = path_text(detail["loc"][1:])
    return error_response(request.scope, invalid_value(param, reason_text(detail)))


async def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _internal_error(request: Request, _: Exception) -> Response:
    """The framework logs the exception itself, outside of every middleware of ours."""
    response = error_response(request.scope, ServerError("engine_failed", INTERNAL_ERROR))
    response.headers["x-request-id"] = getattr(request.state, "request_id", "")
    return response
