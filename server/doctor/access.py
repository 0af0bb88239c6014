"""Who can get at the server: its keys and who can read them, its port, its service."""

import shutil
import stat
import subprocess
from collections.abc import Iterator

from server.running import Listener, Unit
from server.settings.checks import loopback
from server.settings.settings import Settings
from server.verdicts import Verdict, failed, note, ok


def keys(settings: Settings) -> Iterator[Verdict]:
    if settings.keys.open:
        yield _open(settings)
        return
    yield ok("keys", f"{settings.keys}")
    if settings.api_keys_file is not None:
        path = settings.api_keys_file.path
        mode = path.stat().st_mode
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            words = f"every user of this machine can read {path}"
            yield note("keys", words, f"chmod 640 {path}, and chgrp it to the server's user")


def port(settings: Settings, listener: Listener | None) -> Verdict:
    where = f"{settings.host} port {settings.port}"
    if listener is None:
        return ok("port", f"{where} is free")
    if not listener.ours:
        who = _owner(settings.port)
        return failed(
            "port",
            f"{where} is taken by {who or 'another program'}",
            "end that, or set another PORT",
        )
    if listener.status not in ("ok", "healthy"):
        words = f"gpt-api listens on {where} and cannot answer yet ({listener.status})"
        return note("port", words, "see journalctl -u gpt-api -n 50")
    if loopback(settings.host):
        words = f"gpt-api answers on {where}, to this machine only"
        return note("port", words, "a bot needs HOST=0.0.0.0 (and keys), or a proxy before it")
    return ok("port", f"gpt-api answers on {where}")


def service(unit: Unit) -> Verdict:
    restarts = f", {unit.restarts} restarts" if unit.restarts else ""
    told = f": {unit.status}" if unit.status else ""
    words = f"gpt-api.service is {unit.state}{told}{restarts}"
    if unit.state == "failed":
        return failed(
            "service", words, "see journalctl -u gpt-api -n 100; then systemctl restart it"
        )
    if unit.state == "inactive":
        return note("service", words, "sudo systemctl start gpt-api")
    return ok("service", words)


def _open(settings: Settings) -> Verdict:
    if loopback(settings.host):
        return note(
            "keys", "there are none: open, to this machine only", "for bots set API_KEYS_FILE"
        )
    if settings.allow_anonymous:
        words = "there are none, and everybody who reaches this machine may ask"
        return note("keys", words, "set API_KEYS_FILE, unless something before the server asks")
    return failed("keys", "there are none, and the server does not start so", "set API_KEYS_FILE")


def _owner(number: int) -> str:
    """The program that has a port, as far as `ss` tells this user."""
    program = shutil.which("ss")
    if program is None:
        return ""
    command = [program, "-Hltnp", f"sport = :{number}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    _, _, users = done.stdout.partition('users:(("')
    return users.partition('"')[0]
