"""What the image starts: whose key counts, where a new one is kept, what becomes of commands.

The server is a stand-in that tells how it was started; tests/deploy starts the real one.
"""

import json
import os
import shutil
import stat
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from server.auth.key_text import read_table

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "container"
MADE = "A key was made, and is not shown again: "

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@pytest.fixture
def run(tmp_path: Path, models: Path) -> Run:
    """Starts the script as the image would; the stand-in prints its environment and arguments."""
    server = tmp_path / "bin" / "gpt-api"
    server.parent.mkdir()
    server.write_text('#!/bin/sh\nenv\nprintf "arguments=%s\\n" "$*"\n')
    server.chmod(server.stat().st_mode | stat.S_IXUSR)
    given = {
        "PATH": f"{server.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path / "home"),
        "MODELS_DIR": str(models),
        "MODEL_PATH": "gpt-oss-20b",
    }

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, *arguments],
            env={**given, **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def variables(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """How the server was started."""
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_the_first_start_makes_a_key_and_others_keep_it(run: Run, models: Path) -> None:
    first = run()
    told = variables(first)
    file = models / ".gpt-api" / "keys.json"
    assert told["API_KEYS_FILE"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (key,) = json.loads(file.read_text())
    assert f"{MADE}{key}\n" in first.stderr
    assert len(key) > 40
    (entry,) = read_table(file.read_text())
    assert entry.principal.allows("admin")

    second = run()
    assert variables(second)["API_KEYS_FILE"] == str(file)
    assert second.stderr == ""
    assert json.loads(file.read_text()).keys() == {key}


def test_a_key_that_was_not_finished_is_made_anew(run: Run, models: Path) -> None:
    (models / ".gpt-api").mkdir()
    (models / ".gpt-api" / "keys.json").touch()
    assert MADE in run().stderr


@pytest.mark.parametrize(
    "said",
    [
        {"API_KEYS": '{"sk-mine": {"user": "anna", "permissions": ["chat"]}}'},
        {"API_KEYS_FILE": "/run/secrets/keys"},
        {"ALLOW_ANONYMOUS": "1"},
        {"ALLOW_ANONYMOUS": "True"},
        {"ALLOW_ANONYMOUS": "on"},
        {"GPT_API_KEY": "sk-mine"},
    ],
)
def test_no_key_is_made_where_it_is_said_who_may_ask(
    run: Run, models: Path, said: dict[str, str]
) -> None:
    assert run().returncode == 0
    done = run(**said)
    told = variables(done)
    assert MADE not in done.stderr
    # Nor does an older one count any more.
    assert told.get("API_KEYS_FILE") == said.get("API_KEYS_FILE")
    shutil.rmtree(models / ".gpt-api")
    assert MADE not in run(**said).stderr
    assert not (models / ".gpt-api").exists()


def test_a_refusal_of_everybody_without_a_key_is_no_permission(run: Run) -> None:
    assert MADE in run(ALLOW_ANONYMOUS="0").stderr


def test_one_key_becomes_a_table(run: Run) -> None:
    told = variables(run(GPT_API_KEY="aB0+/=._~-"))
    assert json.loads(told["API_KEYS"]) == {"aB0+/=._~-": {"user": "admin", "permissions": ["all"]}}
    assert "GPT_API_KEY" not in told
    table = '{"sk-anna": {"user": "anna", "permissions": ["chat"]}}'
    assert variables(run(GPT_API_KEY="sk-mine", API_KEYS=table))["API_KEYS"] == table


@pytest.mark.parametrize("key", ['sk-"', "sk mine", "sk-\\", "sk-ключ", "sk-\n"])
def test_a_key_that_breaks_the_table_is_refused(run: Run, key: str) -> None:
    done = run(GPT_API_KEY=key)
    assert done.returncode == 78
    assert done.stderr.startswith("GPT_API_KEY: ")
    assert key not in done.stderr


def test_where_the_volume_cannot_be_written_the_key_lives_with_the_container(
    run: Run, tmp_path: Path
) -> None:
    # A file where the folder would be: root, too, can make nothing in it.
    volume = tmp_path / "volume"
    volume.touch()
    told = variables(run(MODELS_DIR=str(volume)))
    assert told["API_KEYS_FILE"] == str(tmp_path / "home" / ".gpt-api" / "keys.json")


def test_without_any_place_for_a_key_the_way_out_is_told(run: Run, tmp_path: Path) -> None:
    nowhere = tmp_path / "file"
    nowhere.touch()
    done = run(MODELS_DIR=str(nowhere), HOME=str(nowhere))
    assert done.returncode == 78
    assert "set API_KEYS or GPT_API_KEY, or ALLOW_ANONYMOUS=1" in done.stderr
    assert run(MODELS_DIR=str(nowhere), HOME=str(nowhere), GPT_API_KEY="sk-a").returncode == 0


def test_a_folder_of_somebody_else_is_told(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    done = run(MODELS_DIR=str(missing), ALLOW_ANONYMOUS="1")
    assert f"{missing} cannot be written by user {os.geteuid()}" in done.stderr
    assert "--user" in done.stderr


def test_a_path_in_the_folder_is_a_name_too(run: Run, models: Path) -> None:
    path = {"ALLOW_ANONYMOUS": "1", "MODEL_PATH": f"{models}/gpt-oss-20b"}
    assert variables(run(**path))["MODEL_PATH"] == "gpt-oss-20b"
    other = {"ALLOW_ANONYMOUS": "1", "MODEL_PATH": "/srv/model.gguf"}
    assert variables(run(**other))["MODEL_PATH"] == "/srv/model.gguf"
    assert variables(run(ALLOW_ANONYMOUS="1", MODEL_PATH=""))["MODEL_PATH"] == ""


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ((), "serve"),
        (("serve",), "serve"),
        (("--max-queue", "8"), "serve --max-queue 8"),
        (("serve", "--max-queue", "8"), "serve --max-queue 8"),
        (("pull", "gpt-oss-20b"), "pull gpt-oss-20b"),
    ],
)
def test_commands(run: Run, models: Path, given: tuple[str, ...], passed: str) -> None:
    assert variables(run(*given))["arguments"] == passed
    # Only who serves needs keys.
    assert (models / ".gpt-api").exists() == passed.startswith("serve")


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_health_is_what_the_server_says(run: Run, status: int, code: int) -> None:
    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()
            self.wfile.write(b'{"status": "loading"}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        # A proxy that was set for downloads is not asked.
        done = run("health", PORT=str(server.server_port), http_proxy="http://127.0.0.1:9")
        answering.join()
    assert done.returncode == code
    assert "loading" in done.stdout
    port = str(server.server_port)
    silent = run("health", PORT=port)
    assert silent.returncode == 1
    assert f"nobody answers on port {port}" in silent.stderr
