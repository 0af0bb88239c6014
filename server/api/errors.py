"""Every failure -> a status, headers and the OpenAI error shape. Never a stack trace.

The one table kind -> status; the words of each kind are the dialect's.
"""

import math
from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from server.core.errors import ErrorKind, ServerError
from server.dialects.openai_errors import error_body
from server.dialects.openai_json import path_text

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
    "engine_failed": 500,
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


def error_response(error: ServerError, status: int | None = None) -> Response:
    """`status` overrides the kind's own."""
    return Response(
        error_body(error),
        status_code=status or STATUS[error.kind],
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
    if error.code == "insufficient_quota" or error.kind == "not_implemented":
        headers["x-should-retry"] = "false"
    return headers


async def _server_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ServerError)
    return error_response(error)


async def _http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: an unknown URL, a wrong method."""
    assert isinstance(error, HTTPException)
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return error_response(
            ServerError("not_found", f"Unknown URL: {where}. See /docs for what there is.")
        )
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"Not allowed: {where}. This URL takes {allowed}."
        response = error_response(
            ServerError("invalid", message, code="method_not_supported"), status=405
        )
        response.headers["Allow"] = allowed
        return response
    return error_response(ServerError("invalid", str(error.detail)), status=error.status_code)


async def _validation_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    detail = error.errors()[0]
    param = path_text(detail["loc"][1:])
    return error_response(
        ServerError("invalid", f"Invalid '{param}': {detail['msg']}.", param=param or None)
    )


async def _client_gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _internal_error(request: Request, _: Exception) -> Response:
    """The framework logs the exception itself, outside of every middleware of ours."""
    response = error_response(ServerError("engine_failed", INTERNAL_ERROR))
    response.headers["x-request-id"] = getattr(request.state, "request_id", "")
    return response
