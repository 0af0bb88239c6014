"""Listening sockets over a restart: kept where they fit, closed where they do not."""

import socket
from collections.abc import Iterator

import pytest

from server.service.listeners import Listeners, listens_on
from server.service.notify import Systemd
from tests.systemd import NotifySocket


@pytest.fixture
def manager() -> Iterator[NotifySocket]:
    found = NotifySocket()
    yield found
    found.close()


def keeping(manager: NotifySocket, *kept: socket.socket) -> Systemd:
    systemd = Systemd({"NOTIFY_SOCKET": manager.path, "FDSTORE": "4"})
    if kept:
        systemd.inherited["http"] = list(kept)
    return systemd


def unwanted() -> socket.socket:
    pytest.fail("the kept socket fits")


def test_a_new_socket_is_stored(manager: NotifySocket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        found = Listeners(keeping(manager)).get("http", "127.0.0.1", 0, lambda: made)
        assert found is made
        assert manager.hear() == ["FDSTORE=1", "FDNAME=http"]


def test_nothing_is_stored_where_nothing_is_kept(manager: NotifySocket) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": manager.path})
    with socket.create_server(("127.0.0.1", 0)) as made:
        Listeners(systemd).get("http", "127.0.0.1", 0, lambda: made)
        systemd.tell("READY=1")
        assert manager.hear() == ["READY=1"]


def test_a_kept_socket_is_taken(manager: NotifySocket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as kept:
        listeners = Listeners(keeping(manager, kept))
        port = kept.getsockname()[1]
        assert listeners.get("http", "localhost", port, unwanted) is kept
        listeners.settle()
        assert kept.fileno() > 0


def test_another_port_is_another_socket(manager: NotifySocket) -> None:
    kept = socket.create_server(("127.0.0.1", 0))
    systemd = keeping(manager, kept)
    systemd.store("http", kept)
    with socket.create_server(("127.0.0.1", 0)) as made:
        port = made.getsockname()[1]
        assert Listeners(systemd).get("http", "127.0.0.1", port, lambda: made) is made
        for _ in range(3):
            manager.hear()
        assert manager.heard[2:] == ["FDSTOREREMOVE=1", "FDNAME=http", "FDSTORE=1", "FDNAME=http"]
        assert manager.stored["http"].getsockname() == made.getsockname()
    assert kept.fileno() == -1


def test_what_nobody_asks_for_is_closed(manager: NotifySocket) -> None:
    kept = socket.create_server(("127.0.0.1", 0))
    systemd = keeping(manager, kept)
    systemd.store("http", kept)
    Listeners(systemd).settle()
    assert kept.fileno() == -1
    manager.hear()
    manager.hear()
    assert not manager.stored


@pytest.mark.parametrize(
    ("bound", "host", "same"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "0.0.0.0", False),
        ("0.0.0.0", "0.0.0.0", True),
        ("0.0.0.0", "127.0.0.1", False),
        ("127.0.0.1", "no.such.invalid", False),
    ],
)
def test_an_address_is_compared(bound: str, host: str, same: bool) -> None:
    with socket.create_server((bound, 0)) as listener:
        port = listener.getsockname()[1]
        assert listens_on(listener, host, port) == same
        assert listens_on(listener, host, 0) == same
        assert not listens_on(listener, host, port - 1)


def test_a_socket_that_does_not_listen_is_none() -> None:
    with socket.socket() as idle:
        idle.bind(("127.0.0.1", 0))
        assert not listens_on(idle, "127.0.0.1", 0)
