"""The application under other people's servers, which know nothing of it but ASGI."""

import json
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest

from server.logs import config
from tests.clients.server_process import Program


class AnyServer(Program):
    listening = re.compile(r"running on http://[0-9.]+:(\d+)", re.IGNORECASE)


@pytest.fixture
def log_file(tmp_path: Path) -> str:
    """Without it neither server shows what the application logs, such as that it can answer."""
    path = tmp_path / "log.json"
    plain = config("info", journal=False)
    plain |= {"formatters": {"line": {"format": "%(name)s %(message)s"}}, "loggers": {}}
    path.write_text(json.dumps(plain))
    return str(path)


@pytest.fixture(params=["uvicorn", "hypercorn"])
def server(request: pytest.FixtureRequest, log_file: str) -> Iterator[AnyServer]:
    flags = {
        # As people start it, but for the port, which has to be a free one.
        "uvicorn": ("--host", "0.0.0.0", "--port", "0", "--log-config", log_file),
        "hypercorn": ("--bind", "0.0.0.0:0", "--log-config", f"json:{log_file}"),
    }
    command = (sys.executable, "-m", request.param, "server.main:app", *flags[request.param])
    found = AnyServer(command, N_THREADS="1", REASONING_BUDGET="128")
    try:
        found.wait_until_ready()
        yield found
    finally:
        found.stop(signal.SIGKILL)


def test_it_answers_and_ends(server: AnyServer) -> None:
    assert httpx.get(f"{server.url}/health", timeout=60).json()["status"] == "ok"
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    with client:
        stream = client.chat.completions.create(
            model="gpt-oss-20b",
            messages=[{"role": "user", "content": "Hello!"}],
            max_tokens=8,
            stream=True,
        )
        assert list(stream)[-1].choices[0].finish_reason in ("stop", "length")
    # uvicorn raises the signal again once it has ended.
    assert server.stop() in (0, -signal.SIGTERM)
    assert not [line for line in server.log if "Traceback" in line]


@pytest.mark.parametrize("server_name", ["uvicorn", "hypercorn"])
def test_what_is_wrong_with_the_settings_is_a_sentence(server_name: str) -> None:
    command = (sys.executable, "-m", server_name, "server.main:app")
    wrong = Program(command, N_PARALLEL="many")
    try:
        # With which code it ends is the server's own affair: hypercorn's is 0.
        wrong.process.wait(60)
    finally:
        wrong.stop(signal.SIGKILL)
    assert [line for line in wrong.log if line.startswith('N_PARALLEL: "many" is not')]
    assert not [line for line in wrong.log if "Traceback" in line]
