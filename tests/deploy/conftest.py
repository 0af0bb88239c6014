"""One box for all tests here, in which the checkout was installed as a person would do it."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.box import INNER, Box, missing

ROOT = Path(__file__).resolve().parents[2]
CHECKOUT, WHEELS = "/srv/checkout", "/srv/wheels"
KEY = re.compile(r"API Key +(sk-\w+)")
# A root file system to boot instead of this machine's own, such as debootstrap makes.
LOWER = os.environ.get("GPT_API_DEPLOY_ROOT", "/")
SERVICE_PYTHON = "/usr/bin/python3"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = missing() if os.environ.get("GPT_API_TEST_DEPLOY") else "run by scripts/test --deploy"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.deploy)
            item.add_marker(pytest.mark.timeout(600))
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that pip will be asked for: there is no network inside."""
    if given := os.environ.get("GPT_API_DEPLOY_WHEELS"):
        return Path(given)
    folder = tmp_path_factory.mktemp("wheels")
    tools = tmp_path_factory.mktemp("tools")
    subprocess.run([SERVICE_PYTHON, "-m", "venv", tools], check=True)
    wanted = ["-r", str(ROOT / "requirements.txt"), "setuptools", "wheel"]
    collect = [tools / "bin/python", "-m", "pip", "wheel", "--quiet", "--wheel-dir", folder]
    subprocess.run([*collect, *wanted], check=True)
    return folder


@pytest.fixture(scope="session")
def machine(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    state = tmp_path_factory.mktemp("box")
    box = Box(state, LOWER, {CHECKOUT: ROOT, WHEELS: wheels})
    yield box
    box.stop()


@dataclass(frozen=True)
class Installed:
    """What the installer said, and how to reach what it installed."""

    box: Box
    said: str
    key: str
    url: str = f"http://{INNER}:8000"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def install(box: Box, *options: str, checkout: str = CHECKOUT, check: bool = True) -> str:
    pip = f"PIP_NO_INDEX=1 PIP_FIND_LINKS={WHEELS}"
    return box.shell(f"{pip} {checkout}/scripts/install.sh {' '.join(options)}", check=check)


@pytest.fixture(scope="session")
def service(machine: Box) -> Installed:
    said = install(machine, "--yes", "--model", "demo", "--host", "0.0.0.0")
    found = KEY.search(said)
    assert found, said
    return Installed(machine, said, found[1])
