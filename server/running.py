"""Whether a gpt-api runs on this machine already: on its port, or as a service that starts or ends.

Asks /health alone, which needs no key.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from server.check_client.address import Address
from server.check_client.asking import Server
from server.check_client.reaching import listens
from server.settings.settings import Settings
from server.verdicts import Failure

SERVICE = "gpt-api"
# How the worker's command line begins, after the interpreter.
WORKER = "-m server.worker --fd"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_PATIENCE_S = 5.0
_SYSTEMD = Path("/run/systemd/system")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """What answers at an address. `ours`: a gpt-api; `status`: its own word; `detail`: what was
    chosen when it loaded its model, in sentences.
    """

    address: Address
    ours: bool
    status: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The service, as systemd tells: `active`, `failed`, `inactive`, `activating` and the like."""

    state: str
    status: str
    restarts: int


def listener(settings: Settings) -> Listener | None:
    """Who has the port; None where nobody has."""
    host = settings.host.strip("[]")
    host = _EVERYWHERE.get(host, host)
    if not settings.port or not listens(host, settings.port):
        return None
    path = settings.root_path
    return ask(Address(scheme="http", host=host, port=settings.port, path=path))


def ask(address: Address) -> Listener:
    """What listens there; somebody does."""
    try:
        with Server(address, "", _PATIENCE_S) as server:
            reply = server.get("port", "/health", with_key=False, timeout_s=_PATIENCE_S)
    except Failure:
        return Listener(address=address, ours=False)
    if not (reply.has_json and "default_model" in reply.body):
        return Listener(address=address, ours=False)
    states = reply.body.get("models")
    found = states if isinstance(states, dict) else {}
    # The default may be told by an alias; the first is its model then.
    state: object = found.get(reply.body["default_model"]) or next(iter(found.values()), {})
    return Listener(
        address=address,
        ours=True,
        status=str(reply.body.get("status", "")),
        detail=str(state.get("detail", "")) if isinstance(state, dict) else "",
    )


def unit(systemd: Path = _SYSTEMD) -> Unit | None:
    """None where there is no systemd, or no such service."""
    program = shutil.which("systemctl")
    if program is None or not systemd.is_dir():
        return None
    names = ("LoadState", "ActiveState", "StatusText", "NRestarts")
    command = [program, "show", SERVICE, f"--property={','.join(names)}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return unit_of(done.stdout)


def unit_of(text: str) -> Unit | None:
    """The unit as `systemctl show` prints it."""
    found = dict(line.partition("=")[::2] for line in text.splitlines())
    if found.get("LoadState") != "loaded":
        return None
    restarts = found.get("NRestarts", "0")
    return Unit(
        state=found.get("ActiveState", "unknown"),
        status=found.get("StatusText", ""),
        restarts=int(restarts) if restarts.isdigit() else 0,
    )
