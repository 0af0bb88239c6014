"""The words to systemd as they travel, and what is read from its variables."""

import os
import socket
from collections.abc import Iterator

import pytest

from server.service.notify import VARIABLES, Systemd, from_environment
from tests.systemd import NotifySocket


@pytest.fixture
def manager() -> Iterator[NotifySocket]:
    found = NotifySocket()
    yield found
    found.close()


def test_words_travel_together(manager: NotifySocket) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": manager.path})
    assert systemd.present
    systemd.tell("READY=1", "STATUS=ready: 2 running, 1 waiting")
    systemd.tell()
    systemd.tell("STOPPING=1")
    assert manager.hear() == ["READY=1", "STATUS=ready: 2 running, 1 waiting"]
    assert manager.hear() == ["STOPPING=1"]


def test_an_abstract_address_is_one() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as far:
        far.bind(f"\0gpt-api-test-{os.getpid()}")
        far.settimeout(10)
        Systemd({"NOTIFY_SOCKET": f"@gpt-api-test-{os.getpid()}"}).tell("READY=1")
        assert far.recv(100) == b"READY=1"


def test_a_socket_is_stored_and_discarded(manager: NotifySocket) -> None:
    systemd = Systemd({"NOTIFY_SOCKET": manager.path, "FDSTORE": "4"})
    assert systemd.keeps_sockets
    with socket.create_server(("127.0.0.1", 0)) as listener:
        systemd.store("http", listener)
        assert manager.hear() == ["FDSTORE=1", "FDNAME=http"]
        assert manager.stored["http"].getsockname() == listener.getsockname()
    systemd.discard("http")
    manager.hear()
    assert not manager.stored


def test_without_systemd_nothing_is_said() -> None:
    systemd = Systemd({})
    assert not systemd.present
    assert not systemd.keeps_sockets
    assert systemd.watchdog_s is None
    assert systemd.inherited == {}
    systemd.tell("READY=1")


def test_a_manager_that_is_gone_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    Systemd({"NOTIFY_SOCKET": "/nowhere/notify"}).tell("READY=1")
    assert "systemd could not be told READY=1" in caplog.text


@pytest.mark.parametrize(
    ("environment", "interval"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_watchdog_of_this_process(environment: dict[str, str], interval: float | None) -> None:
    assert Systemd(environment).watchdog_s == interval


@pytest.mark.parametrize(
    "environment",
    [
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "many", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_sockets_of_another_process_are_left_alone(environment: dict[str, str]) -> None:
    assert Systemd(environment).inherited == {}


def test_child_processes_hear_nothing_of_it(manager: NotifySocket) -> None:
    environment = dict.fromkeys(VARIABLES, "") | {"NOTIFY_SOCKET": manager.path, "PATH": "/bin"}
    assert from_environment(environment).present
    assert environment == {"PATH": "/bin"}
