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
    # What a real run would refuse, a rehearsal does not call well.
    assert code == int("problem: " in said)
    assert ("It would not be done either" in said) == bool(code)
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


@pytest.mark.parametrize(
    ("capability", "cuda", "version"),
    [
        # The driver's CUDA, from below the oldest wheel to above the newest.
        ("8.9", "11.7", ""),
        ("8.9", "11.8", "11.8"),
        ("8.9", "12.0", "11.8"),
        ("8.9", "12.1", "12.1"),
        ("8.9", "12.2", "12.2"),
        ("8.9", "12.3", "12.3"),
        ("8.9", "12.8", "12.5"),
        ("8.9", "13.0", "13.0"),
        ("8.9", "13.1", "13.0"),
        ("8.9", "13.2", "13.2"),
        ("8.9", "14.0", "13.2"),
        # The card, where old and new CUDA part.
        ("5.2", "13.2", ""),
        ("6.0", "13.2", "12.5"),
        ("7.0", "12.5", "12.5"),
        ("7.5", "13.2", "13.2"),
        ("9.0", "11.8", ""),
        ("10.0", "12.4", "12.4"),
        ("12.0", "13.0", "13.0"),
        # nvidia-smi without a card, or an old one that does not tell.
        ("", "12.4", ""),
        ("8.9", "", ""),
    ],
)
def test_the_newest_wheel_that_driver_and_card_can_run(
    capability: str, cuda: str, version: str
) -> None:
    script = f'uname() {{ echo x86_64; }}; cuda_wheel "{cuda}" "{capability}"'
    assert call(script, "install_engine").strip() == version


def machine(folder: Path, kind: str) -> Path:
    """A folder with a uname that says so."""
    program = folder / "uname"
    program.write_text(f"#!/bin/sh\necho {kind}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return folder


def test_arm_is_served_by_the_cpu_also_where_there_is_a_card(tmp_path: Path) -> None:
    tools = machine(card(tmp_path, "NVIDIA GH200", "9.0", "13.0", 96_000), "aarch64")
    said = rehearse("--yes", "--model", "demo", tools=tools)[1]
    assert " on aarch64, " in said
    assert "llama.cpp for the CPU" in said
    assert "for NVIDIA GH200 with CUDA 13.0 on aarch64 there are no wheels" in said
    assert "AVX2" not in said
    said = rehearse("--yes", "--model", "demo", "--gpu", tools=tools)[1]
    assert "problem: for NVIDIA GH200 with CUDA 13.0 on aarch64 there are no wheels" in said


def test_other_processors_are_refused(tmp_path: Path) -> None:
    code, said = rehearse("--yes", "--model", "demo", tools=machine(tmp_path, "riscv64"))
    assert code == 1
    assert "problem: riscv64 is not supported; x86-64 and arm64 are" in said


@pytest.mark.parametrize(
    ("system", "version", "words"),
    [
        ("debian", "12", ""),
        ("debian", "13", ""),
        ("ubuntu", "22.04", ""),
        ("ubuntu", "24.04", ""),
        ("debian", "11", "note: debian 11 is not what this was tried on"),
        ("ubuntu", "26.04", "note: ubuntu 26.04 is not what this was tried on"),
        ("fedora", "43", "problem: this installs on Debian and Ubuntu, not on fedora"),
        ("", "", "problem: this installs on Debian and Ubuntu, not on an unknown system"),
    ],
)
def test_the_system_is_looked_at(tmp_path: Path, system: str, version: str, words: str) -> None:
    release = tmp_path / "os-release"
    release.write_text(f'ID={system}\nVERSION_ID="{version}"\n')
    script = (
        f"OS_RELEASE={release}; check_system;"
        ' for each in "${DOUBTS[@]}"; do echo "note: $each"; done;'
        ' for each in "${PROBLEMS[@]}"; do echo "problem: $each"; done'
    )
    said = [line for line in call(script, "install_checks").splitlines() if "systemd" not in line]
    assert len(said) == bool(words)
    assert "".join(said).startswith(words)


def test_without_a_network_everything_that_is_missing_is_listed(tmp_path: Path) -> None:
    code, said = rehearse("--yes", "--offline", "--wheels", str(tmp_path), "--model", "gpt-oss-20b")
    assert code == 1
    assert "problem: --offline, and there is no llama_cpp_python-" in said
    assert "problem: --offline, and gpt-oss-20b would be a download" in said


def test_a_folder_of_wheels_must_be_there() -> None:
    code, said = rehearse("--wheels", "/nowhere")
    assert code == 2
    assert "--wheels takes a folder; there is none at /nowhere" in said


@pytest.mark.parametrize(
    ("settings", "ports"),
    [
        ("PORT=8000\n", ["8000"]),
        ("# nothing\n", ["8000"]),
        ('PORT="8000"\nOLLAMA_PORT=11434\n', ["8000", "11434"]),
        ("PORT=8000\nEXTRA_PORTS=8001, 8002\n", ["8000", "8001", "8002"]),
        ("PORT=1\nPORT=2\nOLLAMA_PORT=2\n", ["2"]),
        ("export PORT = '8000'\n#OLLAMA_PORT=1\nEXTRA_PORTS=\n", ["8000"]),
        ("PORT=0\n", ["1024-65535"]),
    ],
)
def test_the_ports_of_the_settings_are_allowed(
    tmp_path: Path, settings: str, ports: list[str]
) -> None:
    script = (ROOT / "scripts" / "allow_ports.sh").read_text()
    (tmp_path / "settings").write_text(settings)
    (tmp_path / "allow").write_text(script.replace("/etc/gpt-api/gpt-api.env", "settings"))
    command = ["bash", "allow", "--print"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "SocketBindDeny=any" in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("SocketBindAllow")]
    assert lines == [f"SocketBindAllow=tcp:{port}" for port in ports]


def test_a_card_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    code, said = rehearse(
        "--yes", "--gpu", tools=card(tmp_path, "Tesla K80", "3.7", "11.4", 12_000)
    )
    assert code == 1
    assert "for Tesla K80 with CUDA 11.4 on x86_64 there are no wheels" in said


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
