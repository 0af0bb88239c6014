"""The installer where nothing may be changed: what it plans, and what it makes of the machine.

What it does is tried on a machine of its own in tests/deploy.
"""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
INSTALL = ROOT / "scripts" / "install.sh"

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


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
    program = folder / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        f'*=name*) echo "{name}" ;;\n'
        f'*=compute_cap*) echo "{capability}" ;;\n'
        f'*=memory.total*) echo "{mebibytes}" ;;\n'
        f'*) echo "| Driver Version: 550.54   CUDA Version: {cuda}     |" ;;\n'
        "esac\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def test_a_plan_says_everything_and_does_nothing() -> None:
    was_there = Path("/etc/gpt-api").exists()
    code, said = rehearse("--yes", "--model", "demo", "--port", "8123", "--host", "0.0.0.0")
    assert code == 0
    for words in (
        "/opt/gpt-api/releases/",
        "the demonstration model",
        "on 0.0.0.0 port 8123",
        "answers travel in the clear",
        "would run: useradd --system",
        "would write: /etc/gpt-api/keys.json",
        "would run: systemctl restart gpt-api",
        "Nothing was done.",
    ):
        assert words in said
    assert Path("/etc/gpt-api").exists() == was_there


def test_answers_may_come_as_variables() -> None:
    variables = {"INSTALL_MODEL": "demo", "INSTALL_PORT": "8124", "INSTALL_ENGINE": "source"}
    said = rehearse("--yes", **variables)[1]
    assert "port 8124" in said
    assert "built here for this processor" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--prot", "8000"), "there is no option --prot"),
        (("--port",), "--port needs a value"),
        (("--port", "http"), "--port takes a number from 1 to 65535, not http"),
        (("--port", "70000"), "--port takes a number from 1 to 65535, not 70000"),
        (("--host", "a b"), "--host takes an address"),
        (("--engine", "gpu"), "--engine is auto, cpu, cuda or source"),
        (("--purge",), "--purge goes with --uninstall"),
    ],
)
def test_misuse_is_told(options: tuple[str, ...], words: str) -> None:
    code, said = rehearse(*options)
    assert code == 2
    assert words in said
    assert "see scripts/install.sh --help" in said


@pytest.mark.parametrize(
    ("model", "words"),
    [("/nowhere/model.gguf", "there is no model at"), (str(INSTALL), "is no GGUF file")],
)
def test_a_model_that_is_none_is_told_before_anything_is_done(model: str, words: str) -> None:
    assert words in rehearse("--yes", "--model", model)[1]


def test_an_upgrade_of_nothing_is_told() -> None:
    if Path("/opt/gpt-api").exists():
        pytest.skip("gpt-api is installed here")
    code, said = rehearse("--upgrade")
    assert code == 1
    assert "is not installed here" in said


@pytest.mark.parametrize(
    ("name", "capability", "cuda", "words"),
    [
        ("NVIDIA L4", "8.9", "12.4", "llama.cpp for CUDA 12.4 (NVIDIA L4)"),
        ("NVIDIA L4", "8.9", "12.9", "llama.cpp for CUDA 12.5 (NVIDIA L4)"),
        ("NVIDIA H200", "9.0", "13.1", "llama.cpp for CUDA 13.0 (NVIDIA H200)"),
        ("Tesla V100", "7.0", "13.2", "llama.cpp for CUDA 12.5 (Tesla V100)"),
        ("Tesla P4", "6.1", "11.8", "llama.cpp for CUDA 11.8 (Tesla P4)"),
        ("Tesla K80", "3.7", "11.4", "llama.cpp for the CPU"),
    ],
)
def test_the_card_and_its_driver_choose_the_engine(
    tmp_path: Path, name: str, capability: str, cuda: str, words: str
) -> None:
    tools = card(tmp_path, name, capability, cuda, 24_000)
    said = rehearse("--yes", "--model", "demo", tools=tools)[1]
    assert words in said
    assert ("it will not be used" in said) == ("CPU" in words)


def test_a_card_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    code, said = rehearse(
        "--yes", "--gpu", tools=card(tmp_path, "Tesla K80", "3.7", "11.4", 12_000)
    )
    assert code == 1
    assert "for Tesla K80 with CUDA 11.4 there are no wheels" in said


@pytest.mark.parametrize(
    ("before", "name", "value", "after"),
    [
        ("# head\n", "PORT", "8000", "# head\nPORT=8000\n"),
        ("PORT=1\nHOST=::\n", "PORT", "2", "PORT=2\nHOST=::\n"),
        ("PORT=1\nPORT=2\n", "PORT", "3", "PORT=3\n"),
        ("#PORT=1\n", "PORT", "3", "#PORT=1\nPORT=3\n"),
        ("MODEL_PATH=/a\nPORT=1\n", "MODEL_PATH", "", "PORT=1\n"),
        ("PORT=1\n", "MODEL_PATH", "", "PORT=1\n"),
    ],
)
def test_a_setting_is_written_where_it_stands(
    before: str, name: str, value: str, after: str
) -> None:
    script = f'with_setting "$(cat)" {name} "{value}"'
    assert call(script, "install_settings", before) == after


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("demo", "demo"),
        ("gpt-oss-20b", "name"),
        ("hf.co/ggml-org/gpt-oss-20b-GGUF:a.gguf", "name"),
        ("/srv/models/a.gguf", "file"),
        ("models/a.gguf", "file"),
    ],
)
def test_a_model_is_a_file_or_a_name(model: str, kind: str) -> None:
    assert call(f"MODEL={model} model_kind", "install_checks") == f"{kind}\n"
