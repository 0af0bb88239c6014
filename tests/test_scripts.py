"""The scripts, on a copy of them, with stand-ins for Python's programs that note what they do."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(path for path in (*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout with the scripts alone, in a folder whose name has a space."""
    root = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    for name in ("requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, root)
    return root


def program(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def stand_ins(root: Path, pip: str = "") -> None:
    """A ready .venv whose programs append their arguments to the file `told`."""
    told = f'printf "%s\\n" "${{0##*/}} $*" >> "{root}/told"'
    # The probe for prebuilt wheels reads its program from stdin ("-"): nothing is reachable here.
    python = ('case "$1 $2" in', '"- "*) exit 1 ;;', '"-m pip")', told, pip, ";;", "esac")
    program(root / ".venv/bin/python", *python)
    program(root / ".venv/bin/gpt-api", told, 'echo "env ${GPT_API_ENV_FILE:-none}"')


def run(script: Path, *arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if name != "GPT_API_ENV_FILE"}
    return subprocess.run(
        [script, *arguments],
        cwd=cwd,
        env={**kept, **env},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_finds_nothing():
    done = subprocess.run(
        ["shellcheck", "--external-sources", *SCRIPTS], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == ""


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.suffix != ".sh"], ids=str)
def test_script_can_be_run(script: Path):
    assert os.access(script, os.X_OK)


def test_first_run_installs_and_the_second_only_serves(copy: Path, tmp_path: Path):
    stand_ins(copy)
    first = run(copy / "scripts/run", "--port", "9", cwd=tmp_path)
    assert (first.returncode, first.stdout) == (0, "env none\n")
    told = (copy / "told").read_text().splitlines()
    assert f"python -m pip install --prefer-binary -r {copy}/requirements.txt" in told
    assert told[-1] == "gpt-api serve --port 9"
    assert not [line for line in told if "index" in line]

    (copy / "told").unlink()
    second = run(copy / "scripts/run", "--model", "a b.gguf", cwd=Path("/"))
    assert (second.returncode, second.stderr) == (0, "")
    assert (copy / "told").read_text() == "gpt-api serve --model a b.gguf\n"


def test_changed_requirements_are_installed(copy: Path):
    stand_ins(copy)
    run(copy / "scripts/run", cwd=copy)
    (copy / "told").unlink()
    with (copy / "requirements.txt").open("a") as file:
        file.write("another-package\n")
    assert run(copy / "scripts/run", cwd=copy).returncode == 0
    assert "pip install" in (copy / "told").read_text()


def test_settings_beside_the_sources_are_found_from_anywhere(copy: Path, tmp_path: Path):
    stand_ins(copy)
    (copy / ".env").write_text("PORT=9\n")
    assert run(copy / "scripts/run", cwd=tmp_path).stdout == f"env {copy}/.env\n"
    named = run(copy / "scripts/run", cwd=tmp_path, GPT_API_ENV_FILE="/etc/other.env")
    assert named.stdout == "env /etc/other.env\n"


def test_failed_installation_is_tried_again(copy: Path):
    stand_ins(copy, pip='[ "$3" != install ] || exit 1')
    failed = run(copy / "scripts/run", cwd=copy)
    assert failed.returncode == 1
    assert failed.stderr.endswith("Installing failed; see above, then run this again.\n")
    stand_ins(copy)
    assert run(copy / "scripts/run", cwd=copy).returncode == 0


def test_missing_compiler_is_named(copy: Path, tmp_path: Path):
    stand_ins(copy, pip='[ "$3" != install ] || exit 1')
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "cat", "cksum", "grep"):
        (tools / name).symlink_to(str(shutil.which(name)))
    failed = run(copy / "scripts/run", cwd=copy, PATH=str(tools))
    assert failed.returncode == 1
    assert "There is no C++ compiler" in failed.stderr
    assert "apt install build-essential" in failed.stderr


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (('[ "$1" = -V ] && echo Python 3.8.1 && exit', "exit 1"), "Python 3.8.1 is too old"),
        (
            ('case "$2" in *ensurepip*) exit 1 ;; esac',),
            "cannot make virtual environments; apt install python3-venv",
        ),
    ],
)
def test_unfit_python_is_named(copy: Path, tmp_path: Path, body: tuple[str, ...], sentence: str):
    program(tmp_path / "python", *body)
    failed = run(copy / "scripts/run", cwd=copy, PYTHON=str(tmp_path / "python"))
    assert failed.returncode == 1
    assert sentence in failed.stderr
    assert failed.stderr.count("\n") == 1


def test_absent_python_is_named(copy: Path):
    failed = run(copy / "scripts/run", cwd=copy, PYTHON="/nowhere/python")
    assert failed.returncode == 1
    assert "/nowhere/python was not found; apt install python3 python3-venv" in failed.stderr
