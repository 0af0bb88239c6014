"""What a route needs to know about a request: the service behind it, and who is asking."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from fastapi import Request

from server.api.drain import Drain
from server.api.options import ApiOptions
from server.auth.keys import Permission, Principal
from server.auth.ring import KeyRing
from server.library.library import Library
from server.registry.registry import Registry
from server.response_store import ResponseStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Everything the routes work with; `app.state.service`."""

    registry: Registry
    library: Library | None
    keys: KeyRing
    options: ApiOptions
    responses: ResponseStore
    drain: Drain

    async def close(self) -> None:
        """End every request with an error, then free everything."""
        if self.library is not None:
            await self.library.close()
        await self.registry.close()


def service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


async def authenticated(request: Request) -> Principal:
    """Errors: ServerError unauthenticated."""
    return service(request).keys.authenticate(request.headers)


def allowed(*permissions: Permission) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency: who is asking, with any of these permissions. Errors: ServerError
    unauthenticated, forbidden, busy when the server takes no more requests.
    """

    async def principal(request: Request) -> Principal:
        who = await authenticated(request)
        who.require(*permissions)
        service(request).drain.admit()
        return who

    return principal
