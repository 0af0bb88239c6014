"""The firewall, a real one in the box's own network: opened when asked, and closed again."""

import socket

import pytest

from tests.deploy.conftest import Installed, install

PACKAGE = "apt-get -qq update; apt-get -qq install -y --no-install-recommends ufw"


@pytest.fixture(scope="module")
def guarded(service: Installed) -> Installed:
    """The service on a machine that has ufw, which is off."""
    assert "firewall  none that this knows" in install(service.box, "--yes", "--dry-run")
    if not service.box.online(PACKAGE):
        pytest.skip("the archive of packages cannot be reached")
    return service


def reachable(service: Installed, port: int) -> bool:
    try:
        socket.create_connection((service.box.address, port), timeout=2).close()
    except TimeoutError:
        return False
    return True


def added(service: Installed) -> list[str]:
    said = service.box.run("ufw", "show", "added").splitlines()
    return [line for line in said if line.startswith("ufw ")]


def test_it_is_opened_when_that_is_asked_for_and_otherwise_left(guarded: Installed) -> None:
    box = guarded.box
    box.shell("ufw allow 22/tcp; ufw --force enable")
    assert not reachable(guarded, 8000)
    said = install(box, "--yes")
    assert "firewall  active; port 8000 stays closed (--ufw opens it)" in said
    assert added(guarded) == ["ufw allow 22/tcp"]
    said = install(box, "--yes", "--ufw")
    assert "port 8000 will be opened" in said
    assert reachable(guarded, 8000)
    assert not reachable(guarded, 8001)
    assert added(guarded) == ["ufw allow 22/tcp", "ufw allow 8000/tcp comment 'gpt-api'"]
    assert "firewall  port 8000 is open" in install(box, "--yes", "--ufw", "--dry-run")


def test_what_it_opened_and_nothing_else_is_closed(guarded: Installed) -> None:
    box = guarded.box
    # Also while it is off: it would be open when it is on.
    box.shell("ufw disable")
    said = install(box, "--yes", "--dry-run", "--port", "8111")
    assert "would run: ufw --force delete allow 8000/tcp" in said
    said = install(box, "--uninstall", "--dry-run")
    assert "would run: ufw --force delete allow 8000/tcp" in said
    assert "22/tcp" not in said
