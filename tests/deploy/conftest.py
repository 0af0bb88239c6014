"""One box for most tests here, in which the checkout was installed as a person would do it."""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.clients.load import SHORT
from tests.deploy.box import Box, missing
from tests.deploy.wheelhouse import ROOT, collect, python_of

CHECKOUT, WHEELS = "/srv/checkout", "/srv/wheels"
SETTINGS = "/etc/gpt-api/gpt-api.env"
CHAT = "/v1/chat/completions"
KEY = re.compile(r"API Key +(sk-\w+)")
# A root file system to boot instead of this machine's own, such as debootstrap makes.
LOWER = os.environ.get("GPT_API_DEPLOY_ROOT", "/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    if not here:
        return
    asked = os.environ.get("GPT_API_TEST_DEPLOY")
    reason = missing(LOWER) if asked else "run by scripts/test --deploy"
    for item in here:
        item.add_marker(pytest.mark.deploy)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that pip will be asked for: there is no network inside."""
    if given := os.environ.get("GPT_API_DEPLOY_WHEELS"):
        return Path(given)
    folder = tmp_path_factory.mktemp("wheels")
    collect(folder, python_of(LOWER))
    return folder


@pytest.fixture(scope="session")
def machine(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """The box that has the service."""
    box = Box(tmp_path_factory.mktemp("box"), LOWER, {CHECKOUT: ROOT, WHEELS: wheels})
    yield box
    box.stop()


@pytest.fixture(scope="module")
def bare(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box of a module's own, on which nothing was installed."""
    state = tmp_path_factory.mktemp("bare")
    box = Box(state, LOWER, {CHECKOUT: ROOT, WHEELS: wheels}, number=1)
    yield box
    box.stop()


@dataclass(frozen=True)
class Installed:
    """What the installer said, in what time, and how to reach what it installed."""

    box: Box
    said: str
    key: str
    seconds: float

    @property
    def url(self) -> str:
        return f"http://{self.box.address}:8000"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def chat(self, **more: object) -> httpx.Response:
        body = {**SHORT, **more}
        return httpx.post(self.url + CHAT, json=body, headers=self.headers, timeout=120)

    def health(self, port: int = 8000) -> int:
        """The status, when the server answers."""
        return httpx.get(f"http://{self.box.address}:{port}/health", timeout=30).status_code


def install(box: Box, *options: str, checkout: str = CHECKOUT, check: bool = True) -> str:
    script = f"{checkout}/scripts/install.sh --offline --wheels {WHEELS} {' '.join(options)}"
    return box.shell(script, check=check)


@pytest.fixture(scope="session")
def service(machine: Box) -> Installed:
    begun = time.monotonic()
    said = install(machine, "--yes", "--model", "demo", "--host", "0.0.0.0")
    seconds = time.monotonic() - begun
    found = KEY.search(said)
    assert found, said
    return Installed(machine, said, found[1], seconds)


@pytest.fixture
def restored(service: Installed) -> Iterator[Installed]:
    """The service, whose settings are as before after the test."""
    # systemd counts how often it was started: these tests do it more often than people.
    service.box.shell(f"cp -p {SETTINGS} /run/kept.env; systemctl reset-failed gpt-api")
    yield service
    service.box.shell(
        f"systemctl stop gpt-api; cp -p /run/kept.env {SETTINGS};"
        " systemctl reset-failed gpt-api; systemctl restart gpt-api"
    )
