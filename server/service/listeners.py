"""Listening sockets: those that systemd kept for us, where they still fit, and new ones.

Knows addresses and who keeps what, not what is served on them.
"""

import logging
import socket
from collections.abc import Callable

from server.service.notify import Systemd

log = logging.getLogger(__name__)


class Listeners:
    """The sockets of one start of the server. What systemd kept and nobody asks for is closed by
    `settle`.
    """

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._kept = dict(systemd.inherited)

    def get(
        self, name: str, host: str, port: int, make: Callable[[], socket.socket]
    ) -> socket.socket:
        """A socket that listens on `host` and `port`, kept under `name` from now on. Clients that
        came since the last process ended wait in a kept one. `make` makes one; errors: its own.
        """
        kept = self._kept.pop(name, [])
        fitting = [each for each in kept if listens_on(each, host, port)]
        if len(kept) == 1 and fitting:
            log.info("clients have been waiting at %s port %d meanwhile", host, port)
            return fitting[0]
        self._drop(name, kept)
        listener = make()
        if self._systemd.keeps_sockets:
            self._systemd.store(name, listener)
        return listener

    def settle(self) -> None:
        """Close what was kept and is not listened on any more."""
        while self._kept:
            self._drop(*self._kept.popitem())

    def _drop(self, name: str, sockets: list[socket.socket]) -> None:
        if not sockets:
            return
        log.info("the address has changed: what was kept as %r is closed", name)
        self._systemd.discard(name)
        for each in sockets:
            each.close()


def listens_on(listener: socket.socket, host: str, port: int) -> bool:
    """Whether a socket listens on an address that `host` means, and on `port` (0: any)."""
    if not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    address = listener.getsockname()
    try:
        meant = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    hosts = {(family, where[0]) for family, _, _, _, where in meant}
    return port in (0, address[1]) and (listener.family, address[0]) in hosts
