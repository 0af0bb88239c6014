"""The installer where nothing may be changed: what it plans, and what it makes of the machine.

What it does is tried on a machine of its own in tests/deploy.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.installer import INSTALL, ROOT, call, program, rehearse

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


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


def test_a_machine_that_is_too_small_is_told_with_figures(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    # Ten terabytes, of which nothing is written.
    with (tmp_path / "model.gguf").open("r+b") as file:
        file.truncate(10**13)
    options = ("--yes", "--model", str(tmp_path / "model.gguf"))
    code, said = rehearse(*options)
    assert code == 1
    assert " GB of memory, and the model needs 10002.0 GB; choose a smaller model" in said
    assert "note: this machine has" in rehearse(*options, "--force")[1]


def test_a_release_is_made_of_everything_that_its_package_wants() -> None:
    sources = call('printf "%s\\n" "${SOURCES[@]}"', "install_release").splitlines()
    assert all((ROOT / each).exists() for each in sources)
    _, _, text = (ROOT / "pyproject.toml").read_text().partition("[tool.setuptools.data-files]")
    (files,) = re.findall(r"= \[(.*?)\]", text.partition("\n[")[0])
    assert set(re.findall(r'"(.*?)"', files)) <= set(sources)


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


def test_where_there_is_no_systemd_there_is_a_plan_all_the_same(tmp_path: Path) -> None:
    tools = program(tmp_path, "systemctl", "exit 127")
    code, said = rehearse("--yes", "--model", "demo", tools=tools)
    assert "would write: /etc/systemd/system/gpt-api.service.d/10-install.conf" in said
    assert 'The step "' not in said
    assert code == int("problem: " in said)


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
