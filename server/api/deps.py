"""What a route needs to know about a request: the service behind it, and who is asking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from fastapi import Request

from server.api.options import ApiOptions
from server.auth.keys import KeyTable, Permission, Principal
from server.registry import Registry
from server.response_store import ResponseStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything the routes work with; `app.state.service`."""

    registry: Registry
    keys: KeyTable
    options: ApiOptions
    responses: ResponseStore


def service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def authenticated(request: Request) -> Principal:
    """Errors: ServerError unauthenticated."""
    return service(request).keys.authenticate(request.headers)


def allowed(*permissions: Permission) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency: who is asking, with any of these permissions. Errors: ServerError
    unauthenticated, forbidden.
    """

    async def principal(request: Request) -> Principal:
        who = await authenticated(request)
        who.require(*permissions)
        return who

    return principal
