"""The command line as people use it: what it prints, where, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import __version__, cli
from server.settings.load import ENV_FILE_VARIABLE
from server.settings.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
KEYS = json.dumps({"sk-example-key-1": {"user": "admin", "permissions": ["all"]}})


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment without settings, in which the package can be imported from anywhere."""
    ours = {name.upper() for name in Settings.model_fields} | {ENV_FILE_VARIABLE}
    kept = {name: text for name, text in os.environ.items() if name not in ours}
    own = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / ".cache")}
    return {**kept, "PYTHONPATH": str(ROOT), **own}


def run(*arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", *arguments]
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_version(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"gpt-api {__version__}\n"


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        cli.main([])
    assert caught.value.code == 2
    assert "check-config" in capsys.readouterr().out


def test_check_config_shows_values_with_their_origins(environment: dict[str, str], tmp_path: Path):
    (tmp_path / ".env").write_text("MAX_QUEUE=7\n")
    environment |= {"API_KEYS": KEYS, "N_PARALLEL": "2"}
    arguments = (
        "check-config",
        "--port",
        "9000",
        "--strict-params",
        "--model",
        str(ROOT / "models"),
    )
    done = run(*arguments, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    settings, _, models = done.stdout.partition("\n\n")
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in settings.splitlines()}
    shown = {name: " ".join(row.split()) for name, row in rows.items()}
    assert list(shown) == [name.upper() for name in Settings.model_fields]
    assert shown["PORT"] == "9000 command line"
    assert shown["STRICT_PARAMS"] == "1 command line"
    assert shown["MODEL_PATH"] == f"{ROOT}/models/gpt-oss-tiny.gguf command line"
    assert shown["N_PARALLEL"] == "2 environment"
    assert shown["MAX_QUEUE"] == f"7 {tmp_path}/.env"
    assert shown["API_KEYS"] == "1 key (admin) environment"
    assert shown["N_GPU_LAYERS"] == "auto default"
    assert shown["DEFAULT_MODEL"] == "gpt-oss-20b default"
    assert "(granted)" in shown["N_THREADS"]
    assert "sk-example" not in done.stdout
    assert re.fullmatch(
        r"memory for models: .*\n  gpt-oss-20b  needs \d+\.\d GiB  /.*gpt-oss-tiny\.gguf\n", models
    )


def test_check_config_lists_everything_wrong(environment: dict[str, str], tmp_path: Path):
    (tmp_path / ".env").write_text("POTR=1\nPORTS=1\n")
    environment |= {"PORT": "abc", "API_KEYS": "{'sk-secret': 1}", "MODEL_PATH": "/nowhere"}
    done = run("check-config", env=environment, cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["PORTS", "MODEL_PATH", "API_KEYS", "PORT"]
    assert "did you mean PORT?" in lines[0]
    assert 'PORT: "abc" is not a whole number between 0 and 65535; set PORT=8000' in lines
    assert "sk-secret" not in done.stdout + done.stderr
    assert "environment, WRONG" in done.stdout


@pytest.mark.parametrize(("flag", "begin"), [("--markdown", "| Variable"), ("--example", "# Sett")])
def test_check_config_prints_what_documents_it(
    flag: str, begin: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        cli.main(["check-config", flag])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(begin)


def test_every_setting_but_the_secret_ones_is_a_flag(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    text = capsys.readouterr().out
    missing = [n for n in Settings.model_fields if f"--{n.replace('_', '-')} " not in text]
    assert missing == ["hf_token", "base_url_key", "api_keys"]


@pytest.mark.parametrize("arguments", [["serve", "--api-keys", "{}"], ["serve", "--por", "1"]])
def test_unknown_flag_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_bad_setting_stops_the_start_in_one_line(environment: dict[str, str], tmp_path: Path):
    done = run("serve", "--host", "0.0.0.0", env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith("HOST: 0.0.0.0 can be reached from other machines")
    assert done.stderr.count("\n") == 1


def test_port_in_use_is_one_sentence(environment: dict[str, str], tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"PORT: {port} is in use on 127.0.0.1; stop what listens there, or set another PORT\n"
    )


@pytest.fixture
def served(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "server", "serve", "--port", "0"]
    process = subprocess.Popen(
        command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process
        process.kill()


def test_serve_announces_itself_answers_and_leaves(served: subprocess.Popen[str]):
    assert served.stdout is not None
    lines = [served.stdout.readline() for _ in range(5)]
    assert lines[0].startswith(f"gpt-api {__version__} listens on 127.0.0.1 port ")
    assert "gpt-oss-20b: the bundled demonstration model" in lines[1]
    assert "none: open, to this machine only" in lines[3]
    base = lines[2].split()[-1]
    with urllib.request.urlopen(f"{base.removesuffix('/v1')}/healthz", timeout=30) as reply:
        assert json.load(reply) == {"status": "ok"}
    with urllib.request.urlopen(lines[4].split()[-1], timeout=30) as reply:
        assert reply.status == 200
    served.send_signal(signal.SIGTERM)
    assert served.wait(timeout=30) in (0, -signal.SIGTERM)
