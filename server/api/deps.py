"""What a route needs to know about a request: the service behind it, and who is asking."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from fastapi import Request

from server.api.drain import Drain
from server.api.options import ApiOptions
from server.auth.keys import Permission, Principal
from server.auth.ring import KeyRing
from server.core.errors import ServerError
from server.library.library import Library
from server.registry.registry import Registry
from server.response_store import ResponseStore

# What nobody can have of a registrar.
PRIVATE_NAMES = (".localhost", ".local", ".internal", ".home.arpa")
_NUMBERS = re.compile(r"[0-9.]+", re.ASCII)


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
    """Errors: ServerError unauthenticated, forbidden for a page that only pretends to be this
    machine's.
    """
    behind = service(request)
    if behind.options.local and behind.keys.table.open:
        _check_host(request.headers.get("host", ""))
    return behind.keys.authenticate(request.headers)


def _check_host(host: str) -> None:
    """A page of any site may have its own name lead to this machine, and would then be told
    everything: names that anybody can own are not this machine's. Errors: ServerError forbidden.
    """
    name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    if "." not in name or name.endswith(PRIVATE_NAMES) or ":" in name or _NUMBERS.fullmatch(name):
        return
    raise ServerError(
        "forbidden",
        f"This server has no keys and is for its own machine, which is not called {name[:100]!r};"
        " ask 127.0.0.1, or have its operator set keys (API_KEYS).",
    )


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
