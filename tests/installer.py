"""The installer where nothing may be changed: rehearsed, or one function of it alone, on a machine
that looks as a test wants it.
"""

import os
import stat
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INSTALL = ROOT / "scripts" / "install.sh"


def rehearse(*options: str, tools: Path | None = None, **env: str) -> tuple[int, str]:
    """The exit code and the words of a run that does nothing."""
    path = os.environ["PATH"] if tools is None else f"{tools}:{os.environ['PATH']}"
    done = subprocess.run(
        [INSTALL, "--dry-run", *options],
        env={**os.environ, "PATH": path, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


def call(script: str, part: str, stdin: str = "") -> str:
    """What the functions of one part of the installer say."""
    head = f"set -Eeuo pipefail; ETC=/nowhere; . {ROOT}/scripts/{part}.sh; {script}"
    done = subprocess.run(
        ["bash", "-c", head], input=stdin, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def card(folder: Path, name: str, capability: str, cuda: str, mebibytes: int) -> Path:
    """A folder with an nvidia-smi that sees such a card."""
    answers = (
        'case "$*" in',
        f'*=name*) echo "{name}" ;;',
        f'*=compute_cap*) echo "{capability}" ;;',
        f'*=memory.total*) echo "{mebibytes}" ;;',
        f'*) echo "| Driver Version: 550.54   CUDA Version: {cuda}     |" ;;',
        "esac",
    )
    return program(folder, "nvidia-smi", *answers)


def program(folder: Path, name: str, *lines: str) -> Path:
    """The folder, with a program in it that does only this."""
    path = folder / name
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return folder


def machine(folder: Path, kind: str) -> Path:
    """A folder with a uname that names such a processor."""
    return program(folder, "uname", f"echo {kind}")
