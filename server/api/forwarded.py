"""Who really asks where proxies stand between: X-Forwarded-For and X-Forwarded-Proto.

Pure ASGI. Only what trusted proxies say is believed; what an address is good for is not known here.
"""

import logging
from collections.abc import Iterator, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import TypeAlias

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger(__name__)

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


class Forwarded:
    """Puts the client's own address and scheme into the scope of requests that come from one of
    `proxies`; all other requests keep the address that they come from.
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[Network]) -> None:
        self._app = app
        self._proxies = tuple(proxies)
        self._warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = read_address(scope["client"][0]) if scope.get("client") else None
        if scope["type"] == "http" and peer is not None:
            headers = Headers(scope=scope)
            if self._trusts(peer):
                self._believe(scope, peer, headers)
            else:
                scope["client"] = (str(peer), scope["client"][1])
                self._warn(peer, headers)
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope, peer: Address, headers: Headers) -> None:
        scope["client"] = (str(self._client(peer, headers)), 0)
        proto = headers.getlist("x-forwarded-proto")
        scheme = proto[-1].rpartition(",")[2].strip().lower() if proto else ""
        if scheme in ("http", "https"):
            scope["scheme"] = scheme

    def _client(self, peer: Address, headers: Headers) -> Address:
        """The nearest address that is no trusted proxy's. What stands before it, or before
        something that is no address, anybody may have written.
        """
        client = peer
        for text in _hops(headers):
            address = read_address(text)
            if address is None:
                break
            client = address
            if not self._trusts(address):
                break
        return client

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)

    def _warn(self, peer: Address, headers: Headers) -> None:
        """Once: who forgot to name a proxy has to hear of it, and nobody may fill the log."""
        if not self._warned and "x-forwarded-for" in headers:
            self._warned = True
            log.info(
                "X-Forwarded-For of %s is not believed; if that is a proxy of yours, name it in"
                " TRUSTED_PROXIES",
                peer,
            )


def read_address(text: str) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`; None for anything else. An
    IPv4 address stays one where a socket writes it as IPv6.
    """
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _hops(headers: Headers) -> Iterator[str]:
    """The header's addresses, the nearest first: every proxy adds its own peer at the end."""
    for value in reversed(headers.getlist("x-forwarded-for")):
        yield from reversed(value.split(","))
