"""Runs the application under uvicorn: binds, serves, announces itself, drains and leaves.

Knows sockets and processes, not what the application does.
"""

import errno
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import uvicorn

from server import __version__, logs
from server.api.ollama_door import OllamaDoor
from server.application import create_app
from server.hub.reference import Reference
from server.service import notify
from server.service.life import Life
from server.service.listeners import Listeners
from server.service.notify import Systemd
from server.service.serving import LAST_WORDS_S, DrainingServer
from server.settings.checks import loopback
from server.settings.model_file import bundled_model
from server.settings.registry_file import ModelOrigin
from server.settings.served import served
from server.settings.settings import Settings
from server.settings.upstream_source import UpstreamSource

# Clients keep idle connections for 5 s or more, nginx for 60 s; one that the server closes at that
# very moment is a failed request to them. With more patience than theirs it never closes first.
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048


class CannotListen(Exception):
    """The address cannot be had; one sentence with the way out."""


def run(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until told to stop; returns the exit code. Errors: CannotListen."""
    logs.configure(settings.log_level)
    # Until there are keys to read again, SIGHUP means nothing; by itself it would end the process.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    systemd = notify.from_environment()
    listeners = _listeners(settings, systemd)
    ports = {name: port_of(listener) for name, listener in listeners.items()}
    ollama_port = ports.get("OLLAMA_PORT")
    application = create_app(settings)
    app = application if ollama_port is None else OllamaDoor(application, ollama_port)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        # The application does it itself, under any server: api/forwarded.py.
        proxy_headers=False,
        ws="none",
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(LAST_WORDS_S),
    )
    extra_ports = [port for name, port in ports.items() if name.startswith("EXTRA_PORTS")]
    text = banner(settings, ports["PORT"], ollama_port, extra_ports)
    life = Life(settings, application, systemd, lambda: announce(text))
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
        server.run(sockets=list(listeners.values()))
    return 0 if server.started and not life.failed else 1


def _listeners(settings: Settings, systemd: Systemd) -> dict[str, socket.socket]:
    """The sockets by name: the variable that gave the port, and for one of many the port too."""
    wanted = {"PORT": settings.port}
    wanted |= {f"EXTRA_PORTS.{port}": port for port in settings.further_ports}
    if settings.ollama_port is not None:
        wanted["OLLAMA_PORT"] = settings.ollama_port
    listeners = Listeners(systemd)
    host = settings.host
    found = {
        name: listeners.get(name, host, port, partial(listen, host, port, name.split(".")[0]))
        for name, port in wanted.items()
    }
    listeners.settle()
    return found


def _leave(*_: object) -> None:
    raise SystemExit(0)


def listen(host: str, port: int, variable: str = "PORT") -> socket.socket:
    """A listening socket. It takes connections before the model is loaded: nobody is refused.
    `variable` is the setting that gave the port.
    """
    address = host.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    dual = address == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            (address, port), family=family, backlog=BACKLOG, dualstack_ipv6=dual
        )
    except OSError as error:
        raise CannotListen(_why(error, host, port, variable)) from error


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def banner(
    settings: Settings, port: int, ollama_port: int | None = None, extra_ports: Sequence[int] = ()
) -> str:
    """What an operator wants to see first, a line each."""
    url = f"http://{_authority(settings.host, port)}"
    lines = {
        "model": _model(settings),
        "base URL": f"{url}/v1",
        "keys": _keys(settings),
        "docs": f"{url}/docs",
    }
    if extra_ports:
        also = (f"http://{_authority(settings.host, each)}" for each in extra_ports)
        lines["also at"] = ", ".join(also)
    if ollama_port is not None:
        lines["Ollama"] = f"http://{_authority(settings.host, ollama_port)}"
    head = f"gpt-api {__version__} listens on {settings.host} port {port}"
    return "\n".join((head, *(f"  {name:9} {text}" for name, text in lines.items())))


def _why(error: OSError, host: str, port: int, variable: str) -> str:
    if error.errno == errno.EADDRINUSE:
        way_out = f"stop what listens there, or set another {variable}"
        return f"{variable}: {port} is in use on {host}; {way_out}"
    if error.errno == errno.EPERM:
        way_out = "see SocketBindAllow in systemctl cat gpt-api"
        return f"{variable}: systemd does not let this service listen on {port}; {way_out}"
    if error.errno == errno.EACCES:
        return f"{variable}: {port} needs rights that this user lacks; set a {variable} above 1023"
    reason = error.strerror or str(error)
    return f"HOST: cannot listen on {host} port {port} ({reason}); set HOST=127.0.0.1 or 0.0.0.0"


def _authority(host: str, port: int) -> str:
    """Where a client on this machine finds the server."""
    address = host.strip("[]")
    if address in ("0.0.0.0", "::"):
        address = "127.0.0.1"
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _model(settings: Settings) -> str:
    models = served(settings)
    default = models.default_listing
    assert default is not None
    others = [each.name for each in models.listings if each is not default]
    more = f"; also {', '.join(others)}" if others else ""
    return f"{default.name}: {_place(settings, default.origin)}{more}"


def _place(settings: Settings, origin: ModelOrigin) -> str:
    if isinstance(origin, UpstreamSource):
        return f"answered by {origin.host}"
    model = origin.model
    if isinstance(model, Reference):
        return f"{model}, in {settings.download_folder}"
    if model == bundled_model():
        return "the bundled demonstration model, which knows nothing; set MODEL_PATH to a real one"
    return str(model)


def _keys(settings: Settings) -> str:
    if not settings.keys.open:
        return f"{settings.keys} ({', '.join(settings.keys.users())})"
    if loopback(settings.host):
        return "none: open, to this machine only"
    return "none: open to everybody who can reach it"
