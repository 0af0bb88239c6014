"""The folder of packages that an installation without a network is made from."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parents[2]
ENGINE = "llama-cpp-python"
PINNED = re.compile(r"^([a-z0-9-]+==\S+)(?: ; (.*?))? \\$", re.MULTILINE)


def python_of(lower: str) -> str:
    """The version of the Python in a root file system, such as 3.11."""
    name = os.readlink(Path(lower) / "usr/bin/python3")
    return name.removeprefix("python")


def locked(version: str) -> Iterator[str]:
    """What requirements.lock names for that Python on Linux."""
    surroundings = {"python_version": version, "python_full_version": f"{version}.0"}
    for name, marker in PINNED.findall((ROOT / "requirements.lock").read_text()):
        if not marker or Marker(marker).evaluate(surroundings):
            yield name


def collect(folder: Path, version: str) -> None:
    """Fetch all of it; the engine is built here where there is no wheel of it. It suits any
    Python, and systems whose C library is not older than this one's.
    """
    names = set(locked(version))
    engine = {name for name in names if name.startswith(f"{ENGINE}==")}
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "--quiet", "--no-deps", "-w", folder, *engine], check=True)
    fetch = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--python-version", version]
    subprocess.run([*pip, *fetch, "--dest", folder, *(names - engine)], check=True)
