"""The service listens on the ports of its settings, which can be changed, and on no others."""

import httpx
import pytest

from tests.deploy.conftest import SETTINGS, Installed

IDLE = "/run/systemd/system/gpt-api-ports.service.d"


def move(service: Installed, port: int) -> None:
    service.box.run("sed", "-i", f"s/^PORT=.*/PORT={port}/", SETTINGS)


def test_a_changed_port_is_known_to_the_next_start(restored: Installed) -> None:
    move(restored, 8010)
    restored.box.run("systemctl", "restart", "gpt-api")
    assert restored.health(port=8010) == 200
    with pytest.raises(httpx.ConnectError):
        restored.health(port=8000)


def test_further_ports_are_allowed_too(restored: Installed) -> None:
    lines = "OLLAMA_PORT=11434\\nEXTRA_PORTS=8020,8021\\n"
    restored.box.shell(f"printf '{lines}' >>{SETTINGS}; systemctl restart gpt-api")
    assert [restored.health(port) for port in (8000, 8020, 8021)] == [200, 200, 200]
    tags = httpx.get(f"http://{restored.box.address}:11434/api/tags", timeout=30)
    assert tags.status_code in (200, 401)


def test_a_port_that_was_changed_while_it_was_stopped(restored: Installed) -> None:
    box = restored.box
    box.run("systemctl", "stop", "gpt-api")
    move(restored, 8011)
    box.run("systemctl", "start", "gpt-api")
    assert restored.health(port=8011) == 200


def test_it_cannot_listen_elsewhere(restored: Installed) -> None:
    box = restored.box
    if "+BPF_FRAMEWORK" not in box.run("systemctl", "--version"):
        pytest.skip("this systemd cannot forbid ports")
    # Nobody tells systemd of the new port.
    box.shell(
        f"mkdir -p {IDLE};"
        f" printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' >{IDLE}/idle.conf;"
        " systemctl daemon-reload"
    )
    move(restored, 8012)
    assert "failed" in box.run("systemctl", "restart", "gpt-api", check=False)
    assert "systemd does not let this service listen on 8012" in box.journal("-n", "20")
    box.shell(f"rm -r {IDLE}; systemctl daemon-reload")
