"""The unit: what systemd's own checks say of it, and that it fits the server it starts."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.service.presence import SILENCE_LIMIT_S
from server.settings.settings import Settings

SYSTEMD = Path(__file__).resolve().parent.parent / "systemd"
UNIT = (SYSTEMD / "gpt-api.service").read_text()

analyzed = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def seconds(name: str) -> int:
    found = re.search(rf"^{name}=(\d+)s$", UNIT, re.MULTILINE)
    assert found, name
    return int(found[1])


@analyzed
@pytest.mark.parametrize(("drop_ins", "limit"), [([], 1.5), (["gpu.conf"], 1.7)])
def test_an_attacker_finds_little(tmp_path: Path, drop_ins: list[str], limit: float) -> None:
    unit = tmp_path / "gpt-api.service"
    unit.write_text(UNIT)
    folder = tmp_path / "gpt-api.service.d"
    folder.mkdir()
    for name in drop_ins:
        shutil.copy(SYSTEMD / name, folder)
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", unit],
        capture_output=True,
        text=True,
    )
    if "offline" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at files (--offline)")
    found = re.search(r"exposure level for .*: ([0-9.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= limit


@analyzed
@pytest.mark.parametrize("name", ["gpt-api.service", "gpt-api-ports.service"])
def test_systemd_understands_all_of_it(name: str) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", SYSTEMD / name], capture_output=True, text=True
    )
    strange = [line for line in done.stderr.splitlines() if "is not executable" not in line]
    assert strange == []


def test_systemd_is_more_patient_than_the_server() -> None:
    # Its own worker the gateway ends first; and the end takes what it takes.
    assert seconds("TimeoutStopSec") > Settings().shutdown_timeout_seconds + 20
    assert SILENCE_LIMIT_S + seconds("WatchdogSec") > 120
    assert "FileDescriptorStoreMax=16" in UNIT
    assert "RestartPreventExitStatus=78" in UNIT
