"""`gpt-api check-client` as people run it, against a real server on the bundled model."""

import json
import subprocess
import sys

import pytest

from tests.clients.conftest import KEY
from tests.clients.server_process import ROOT


def check(base_url: str, *more: str, key: str = KEY) -> subprocess.CompletedProcess[str]:
    given = ("--base-url", base_url, "--key", key, *more)
    return run(*given)


def run(*arguments: str, says: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", "check-client", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, input=says, capture_output=True, text=True, timeout=100
    )
    assert KEY not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize("end", ["/v1", "/v1/", "/v1/chat/completions", ""])
def test_every_way_of_writing_the_address_passes(address: str, end: str):
    done = check(address + end)
    assert (done.returncode, done.stderr) == (0, "")
    assert "failed" not in done.stdout
    *_, title, key, model, base_url = done.stdout.splitlines()
    assert title == "The three fields of the bot:"
    assert key.split() == ["API", "Key", "sk-...ents"]
    assert model.split() == ["Model", "Name", "gpt-oss-20b"]
    assert base_url.split() == ["Base", "URL", f"{address}/v1"]


def test_without_a_scheme_and_with_the_key_on_standard_input(address: str):
    bare = address.removeprefix("http://")
    done = run("--base-url", f" {bare} ", "--key", "-", says=f'"{KEY}"\n')
    assert done.returncode == 0
    assert "quotes around it" in done.stdout
    assert "no http:// before it" in done.stdout


@pytest.mark.parametrize("model", ["gpt-oss:20b", "gpt-oss-20b:low"])
def test_names_that_mean_the_model_pass(address: str, model: str):
    done = check(f"{address}/v1", "--model", model, "--json")
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert told["fields"] == {
        "api_key": "sk-...ents",
        "model_name": model,
        "base_url": f"{address}/v1",
    }
    subjects = {each["subject"] for each in told["checks"] if each["state"] == "ok"}
    assert {"chat", "usage", "stream", "second turn"} <= subjects
    # What was said before is remembered.
    turn = next(each for each in told["checks"] if each["subject"] == "second turn")
    assert "were remembered" in turn["words"]


@pytest.mark.parametrize(
    ("key", "model", "words"),
    [
        ("sk-wrong", "", "the key is not accepted (status 401"),
        ("sk-test-completions-only", "", "the key may not do this (status 403"),
        ("", "", "the server wants a key"),
        (KEY, "gpt-4o", "the server does not know gpt-4o; write one of these"),
    ],
)
def test_what_is_wrong_is_named_and_ends_it(address: str, key: str, model: str, words: str):
    done = check(f"{address}/v1", "--model", model, key=key)
    assert done.returncode == 1
    *_, line = done.stdout.splitlines()
    assert line.startswith("failed")
    assert words in line
    assert "three fields" not in done.stdout


def test_https_to_a_server_without_it(address: str):
    done = check(address.replace("http://", "https://") + "/v1")
    assert done.returncode == 1
    assert f"write {address}/v1" in done.stdout.splitlines()[-1]


def test_a_json_of_a_failure(address: str):
    told = json.loads(check(f"{address}/v1", "--json", key="sk-wrong").stdout)
    assert (told["ok"], told["fields"]) == (False, None)
    assert told["checks"][-1]["subject"] == "key"


def test_a_machine_without_the_server_needs_httpx2_alone(address: str):
    """What the server needs cannot be imported there."""
    program = (
        "import runpy, sys;"
        "missing = ('llama_cpp', 'pydantic', 'fastapi', 'msgspec', 'huggingface_hub', 'uvicorn');"
        "sys.modules.update(dict.fromkeys(missing));"
        "runpy.run_module('server.check_client', run_name='__main__')"
    )
    given = ("--base-url", f"{address}/v1", "--key", "-", "--json")
    command = [sys.executable, "-c", program, *given]
    done = subprocess.run(command, cwd=ROOT, input=KEY, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"] is True
