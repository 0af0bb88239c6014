"""`gpt-api doctor` as people run it, on this machine."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.check_client.scripted import HEALTH, Says, Scripted, running
from tests.test_cli import ROOT, environment, run

__all__ = ["environment"]
TABLE = '{"sk-one-key-of-the-doctor": {"user": "admin", "permissions": ["all"]}}'


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def subjects(text: str) -> dict[str, str]:
    """The last state of each subject."""
    return {line.split()[1]: line.split()[0] for line in text.splitlines()}


def test_a_machine_that_is_fit(environment: dict[str, str], tmp_path: Path):
    environment |= {"API_KEYS": TABLE, "MODELS_DIR": str(tmp_path), "PORT": free_port()}
    done = run("doctor", "--verify", env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = subjects(done.stdout)
    for subject in ("python", "settings", "memory", "room", "keys", "port"):
        assert found[subject] == "ok", done.stdout
    assert found["model"] == "note"
    assert {"processor", "engine", "GPU", "disk"} <= found.keys()
    assert "sk-one" not in done.stdout


def test_everything_that_is_wrong_is_told_at_once(environment: dict[str, str], tmp_path: Path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes((ROOT / "models" / "gpt-oss-tiny.gguf").read_bytes()[:-100_000])
    with running(Scripted({"GET /health": Says(body="<html>", kind="text/html")})) as other:
        settings = ("--host", "0.0.0.0", "--port", str(other.port), "--model", str(cut))
        more = ("--max-queue", "many")
        done = run("doctor", "--json", *settings, *more, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["ok"] is False
    failed = {each["subject"]: each for each in told["checks"] if each["state"] == "failed"}
    assert {"settings", "model", "port", "keys"} <= failed.keys()
    assert all(each["way_out"] for each in failed.values())
    assert "not within the file bounds" in failed["model"]["words"]


def test_of_what_is_written_wrongly_no_default_is_told(environment: dict[str, str], tmp_path: Path):
    settings = ("--api-keys-file", "/nowhere", "--model", "/nowhere.gguf", "--port", free_port())
    done = run("doctor", *settings, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    found = subjects(done.stdout)
    assert found["settings"] == "failed"
    assert {"model", "memory", "keys"} & found.keys() == set()


def test_a_server_that_runs_is_recognised(environment: dict[str, str], tmp_path: Path):
    with running(Scripted({"GET /health": Says(body=HEALTH)})) as ours:
        done = run("doctor", "--port", str(ours.port), env=environment, cwd=tmp_path)
    assert done.returncode == 0
    assert "gpt-api answers on 127.0.0.1" in done.stdout
    assert "the server runs and has its part" in done.stdout


def test_an_engine_that_does_not_run_is_survived(environment: dict[str, str], tmp_path: Path):
    broken = tmp_path / "broken" / "llama_cpp"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("import os; os.abort()")
    environment["PYTHONPATH"] = f"{broken.parent}:{environment['PYTHONPATH']}"
    done = run("doctor", "--port", free_port(), env=environment, cwd=tmp_path)
    assert done.returncode == 1
    assert subjects(done.stdout)["engine"] == "failed"
    assert subjects(done.stdout)["port"] == "ok"


def test_it_never_loads_llama_cpp_into_its_own_process():
    program = (
        "import sys; from server import cli_checks;"
        "cli_checks.run('doctor', {'json': False, 'verify': False, 'port': '0'});"
        "assert 'llama_cpp' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("flag", ["--verify", "--json", "--port", "--model"])
def test_its_flags_are_told(flag: str, environment: dict[str, str], tmp_path: Path):
    assert flag in run("doctor", "--help", env=environment, cwd=tmp_path).stdout
