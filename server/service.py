"""Runs the application under uvicorn: binds, serves, announces itself, drains and leaves.

Knows sockets and processes, not what the application does.
"""

import errno
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from math import inf
from typing import cast

import uvicorn
from fastapi import FastAPI

from server import __version__, logs, notify
from server.api.deps import Service
from server.key_reload import KeyReload
from server.listeners import Listeners
from server.main import create_app
from server.notify import Systemd
from server.presence import Presence
from server.serving import LAST_WORDS_S, DrainingServer, Occasions
from server.settings import Settings
from server.settings_checks import loopback

log = logging.getLogger(__name__)

# Clients keep idle connections for 5 s or more; one that the server closes at that very moment is a
# failed request to them. Longer than any proxy's habit, it is always the client that closes.
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048
# Of systemd's interval, so that one late beat is no death.
BEATS_PER_WATCHDOG = 4
BEAT_SECONDS = 1.0
MAIN_SOCKET = "http"


class CannotListen(Exception):
    """The address cannot be had; one sentence with the way out."""


def run(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until told to stop; returns the exit code. Errors: CannotListen."""
    logs.configure(settings.log_level)
    # Until there are keys to read again, SIGHUP means nothing; by itself it would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    systemd = notify.from_environment()
    listener = _listener(settings, systemd)
    port: int = listener.getsockname()[1]
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(LAST_WORDS_S),
    )
    life = _Life(settings, app, systemd, lambda: announce(banner(settings, port)))
    server = DrainingServer(
        config,
        life.occasions(),
        drain_s=settings.shutdown_timeout_seconds,
        kept=systemd.keeps_sockets,
    )
    # uvicorn drains and ends on a signal, then raises it again for whoever called: for us that is
    # the end that was asked for, not a death.
    signal.signal(signal.SIGTERM, _leave)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    return 0 if server.started and not life.failed else 1


class _Life:
    """What the parts of the application do on the occasions of the server's life."""

    def __init__(
        self, settings: Settings, app: FastAPI, systemd: Systemd, announce: Callable[[], None]
    ) -> None:
        self._service = cast(Service, app.state.service)
        self._systemd = systemd
        self._announce = announce
        self._keys = KeyReload(settings, self._service.keys)
        self._presence = Presence(self._service.registry, systemd)
        self.failed = False

    def occasions(self) -> Occasions:
        watchdog_s = self._systemd.watchdog_s
        return Occasions(
            started=self._announce,
            beat=self._beat,
            hangup=self._read_keys,
            drain=self._drain,
            refuse=self._service.drain.refuse,
            cut=self._service.registry.close,
            beat_s=min(BEAT_SECONDS, watchdog_s / BEATS_PER_WATCHDOG if watchdog_s else inf),
        )

    def _beat(self) -> bool:
        self._keys.check()
        self._presence.beat()
        # Whoever waits for the service has to be told that it will not come.
        if self._systemd.present and not self.failed and (why := self._presence.failure):
            self.failed = True
            log.critical("the service ends: %s", why)
        return not self.failed

    def _read_keys(self) -> None:
        self._presence.reloading()
        self._keys.reload()
        self._presence.reloaded()

    def _drain(self) -> None:
        self._service.drain.begin()
        self._presence.stopping()


def _listener(settings: Settings, systemd: Systemd) -> socket.socket:
    host, port = settings.host, settings.port
    listeners = Listeners(systemd)
    listener = listeners.get(MAIN_SOCKET, host, port, lambda: listen(host, port))
    listeners.settle()
    return listener


def _leave(*_: object) -> None:
    raise SystemExit(0)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. It takes connections before the model is loaded: nobody is refused."""
    address = host.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dual = address == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            (address, port), family=family, backlog=BACKLOG, dualstack_ipv6=dual
        )
    except OSError as error:
        raise CannotListen(_why(error, host, port)) from error


def banner(settings: Settings, port: int) -> str:
    """What an operator wants to see first, a line each."""
    url = f"http://{_authority(settings.host, port)}"
    lines = {
        "model": _model(settings),
        "base URL": f"{url}/v1",
        "keys": _keys(settings),
        "docs": f"{url}/docs",
    }
    head = f"gpt-api {__version__} listens on {settings.host} port {port}"
    return "\n".join((head, *(f"  {name:9} {text}" for name, text in lines.items())))


def _why(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"PORT: {port} is in use on {host}; stop what listens there, or set another PORT"
    if error.errno == errno.EACCES:
        return f"PORT: {port} needs rights that this user lacks; set a PORT above 1023"
    reason = error.strerror or str(error)
    return f"HOST: cannot listen on {host} port {port} ({reason}); set HOST=127.0.0.1 or 0.0.0.0"


def _authority(host: str, port: int) -> str:
    """Where a client on this machine finds the server."""
    address = host.strip("[]")
    if address in ("0.0.0.0", "::"):
        address = "127.0.0.1"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _model(settings: Settings) -> str:
    if settings.demonstration:
        return (
            f"{settings.model_name}: the bundled demonstration model, which knows nothing;"
            " set MODEL_PATH to a real one"
        )
    return f"{settings.model_name}: {settings.model_file}"


def _keys(settings: Settings) -> str:
    if not settings.keys.open:
        return f"{settings.keys} ({', '.join(settings.keys.users())})"
    if loopback(settings.host):
        return "none: open, to this machine only"
    return "none: open to everybody who can reach it"
