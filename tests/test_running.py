"""Whether a gpt-api runs here: what answers at its port, and what systemd says of the service."""

from pathlib import Path

import pytest

from server.running import Unit, listener, unit
from server.settings.settings import Settings
from tests.check_client import scripted
from tests.check_client.scripted import HEALTH, Says, Scripted, running
from tests.doctor.test_doctor import free_port


def test_nobody_listens():
    assert listener(Settings(port=int(free_port()))) is None
    assert listener(Settings(port=0)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_ours_is_recognised_by_its_own_words(host: str):
    states = {HEALTH["default_model"]: {"detail": "37% loaded"}}
    body = HEALTH | {"status": "loading", "models": states}
    with running(Scripted({"GET /health": Says(status=503, body=body)})) as server:
        found = listener(Settings(host=host, port=server.port, allow_anonymous=True))
    assert found is not None
    assert (found.ours, found.status, found.detail) == (True, "loading", "37% loaded")
    assert found.address.port == server.port


def test_another_program_is_not_ours():
    with running(Scripted({"GET /health": Says(body={"status": "ok"})})) as server:
        found = listener(Settings(port=server.port))
    assert found is not None
    assert not found.ours


def test_one_that_is_silent_is_not_ours(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.running._PATIENCE_S", 0.2)
    with scripted.listener() as port:
        found = listener(Settings(port=port))
    assert found is not None
    assert not found.ours


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, for what it shall print; tmp_path stands for /run/systemd/system."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "systemctl"


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_systemd_is_asked_for_the_service(systemctl: Path):
    program(
        systemctl,
        'test "$1 $2" = "show gpt-api" || exit 1\n'
        'echo LoadState=loaded; echo ActiveState=activating; echo "StatusText=loading: 37% loaded"'
        "; echo NRestarts=0",
    )
    assert unit(systemctl.parent) == Unit(
        state="activating", status="loading: 37% loaded", restarts=0
    )


def test_a_systemd_without_the_service_or_in_trouble_is_none(systemctl: Path):
    program(systemctl, "echo LoadState=not-found; echo ActiveState=inactive")
    assert unit(systemctl.parent) is None
    program(systemctl, "echo 'Failed to connect to bus' >&2; exit 1")
    assert unit(systemctl.parent) is None
    assert unit(systemctl.parent / "nowhere") is None
