"""What installing, restarting and stopping may take, in seconds."""

import json
import socket
import time
from collections.abc import Callable

import httpx

from tests.clients.test_service_life import ENDLESS
from tests.deploy.conftest import CHAT, SETTINGS, Installed

INSTALL_LIMIT_S = 120
# Of a restart, beside loading the model.
OVERHEAD_LIMIT_S = 2.0
# On a machine that is busy with other things too, the quickest of a few is what a thing takes.
TIMES = 3
# What a stop may take beyond the time for answers: their last words, and for connections to close.
FAREWELL_LIMIT_S = 9.0


def seconds(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def test_installing_from_wheels(service: Installed) -> None:
    assert service.seconds < INSTALL_LIMIT_S


def load_seconds(service: Installed) -> float:
    """How long the last start was loading, which begins when it listens."""
    lines = service.box.journal("-o", "json", "-n", "60").splitlines()
    entries = [json.loads(line) for line in lines]

    def last(words: str) -> int:
        times = [e["__REALTIME_TIMESTAMP"] for e in entries if words in e["MESSAGE"]]
        return int(times[-1])

    return (last(" is ready in worker ") - last(" listens on ")) / 1e6


def test_a_restart_takes_little_more_than_loading(restored: Installed) -> None:
    def restart() -> None:
        restored.box.run("systemctl", "restart", "gpt-api")
        assert restored.chat(max_tokens=1).status_code == 200

    overheads = [seconds(restart) - load_seconds(restored) for _ in range(TIMES)]
    assert min(overheads) < OVERHEAD_LIMIT_S


def ask_and_read_nothing(service: Installed, connection: socket.socket) -> None:
    body = json.dumps({**ENDLESS, "stream": True})
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((service.box.address, 8000))
    head = {**service.headers, "Host": "x", "Content-Type": "application/json"}
    lines = [f"{name}: {value}" for name, value in head.items()]
    request = [f"POST {CHAT} HTTP/1.1", *lines, f"Content-Length: {len(body)}", "", body]
    connection.sendall("\r\n".join(request).encode())


def test_a_stop_ends_what_would_not_end(restored: Installed) -> None:
    box = restored.box
    box.shell(
        f"printf 'SHUTDOWN_TIMEOUT_SECONDS=1\\nCONTEXT_LENGTH=32768\\n' >>{SETTINGS};"
        " systemctl restart gpt-api"
    )
    body = {**ENDLESS, "stream": True}
    options = {"json": body, "headers": restored.headers, "timeout": 60}
    with (
        socket.socket() as deaf,
        httpx.stream("POST", restored.url + CHAT, **options) as reply,
    ):
        ask_and_read_nothing(restored, deaf)
        lines = reply.iter_lines()
        next(lines)
        took = seconds(lambda: box.run("systemctl", "stop", "gpt-api"))
        said = list(lines)
    assert took < 1 + FAREWELL_LIMIT_S
    assert any('"error"' in line for line in said)
    assert (box.show("Result"), box.show("ExecMainStatus")) == ("success", "0")
