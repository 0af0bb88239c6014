"""A real server under a service manager: what it says, how it drains, and that a restart loses
nothing.
"""

import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest

from tests.clients.load import SHORT, Load
from tests.clients.server_process import ServerProcess
from tests.engines.models import control_ids
from tests.systemd import NotifySocket, hand_over

# An answer that never ends by itself.
ENDLESS = {
    "messages": [{"role": "user", "content": "Hello!"}],
    "max_tokens": 30_000,
    "temperature": 0,
    "logit_bias": {str(token): -100 for token in control_ids().values()},
}
REREAD = re.compile("the keys were read again")
KEPT = re.compile("the keys stay as they were")


@pytest.fixture
def manager() -> Iterator[NotifySocket]:
    found = NotifySocket()
    yield found
    found.close()


@pytest.fixture
def start(manager: NotifySocket) -> Iterator[Callable[..., ServerProcess]]:
    """Starts servers that tell the manager, and ends them after the test."""
    started: list[ServerProcess] = []

    def start(*arguments: str, **settings: str) -> ServerProcess:
        given = {"NOTIFY_SOCKET": manager.path, "N_THREADS": "1", "CONTEXT_LENGTH": "32768"}
        process = ServerProcess(*arguments, **(given | settings))
        started.append(process)
        return process

    yield start
    for process in started:
        process.stop(signal.SIGKILL)


def ask(url: str, body: dict[str, object] = SHORT, key: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.post(f"{url}/v1/chat/completions", json=body, headers=headers, timeout=60)


def test_a_service_says_how_it_is_from_its_start_to_its_end(
    manager: NotifySocket, start: Callable[..., ServerProcess]
) -> None:
    server = start(WATCHDOG_USEC="4000000", FDSTORE="4")
    manager.hear_until("READY=1")
    assert manager.heard[:2] == ["FDSTORE=1", "FDNAME=PORT"]
    assert "STATUS=loading gpt-oss-20b" in manager.heard
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in manager.heard)
    # READY means what it says.
    server.wait_until_ready()
    assert ask(server.url).status_code == 200
    manager.hear_until("WATCHDOG=1")
    server.process.send_signal(signal.SIGHUP)
    manager.hear_until("RELOADING=1")
    manager.hear_until("READY=1")
    assert server.stop() == 0
    manager.hear_the_rest()
    assert "STOPPING=1" in manager.heard


def test_keys_are_read_again_while_an_answer_runs(
    start: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"sk-first": {"user": "anna", "permissions": ["all"]}}')
    server = start(API_KEYS_FILE=str(keys))
    server.wait_until_ready()
    with httpx.stream(
        "POST",
        f"{server.url}/v1/chat/completions",
        json={**ENDLESS, "max_tokens": 2000, "stream": True},
        headers={"Authorization": "Bearer sk-first"},
        timeout=60,
    ) as running:
        lines = running.iter_lines()
        next(lines)
        keys.write_text('{"sk-second": {"user": "boris", "permissions": ["all"]}}')
        server.process.send_signal(signal.SIGHUP)
        server.wait_for(REREAD)
        assert ask(server.url, key="sk-first").status_code == 401
        assert ask(server.url, key="sk-second").status_code == 200
        assert "data: [DONE]" in list(lines)
    # No signal: the file itself is enough.
    keys.write_text("{")
    server.wait_for(KEPT)
    assert ask(server.url, key="sk-second").status_code == 200
    keys.write_text('{"sk-third": {"user": "clara", "permissions": ["all"]}}')
    server.wait_for(REREAD)
    assert ask(server.url, key="sk-third").status_code == 200


def test_the_end_comes_with_a_proper_error_when_the_time_is_up(
    manager: NotifySocket, start: Callable[..., ServerProcess]
) -> None:
    server = start(SHUTDOWN_TIMEOUT_SECONDS="1")
    server.wait_until_ready()
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)
    with client, ThreadPoolExecutor(1) as threads:
        stream = client.chat.completions.create(model="gpt-oss", stream=True, **ENDLESS)
        next(iter(stream))
        plain = threads.submit(ask, server.url, ENDLESS)
        manager.hear_until("STATUS=ready: 2 running")
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError, match="shutting down"):
            list(stream)
        assert plain.result().status_code == 503
        assert "retry-after" in plain.result().headers
    assert server.stop() == 0


def test_told_twice_it_ends_at_once(
    manager: NotifySocket, start: Callable[..., ServerProcess]
) -> None:
    server = start(SHUTDOWN_TIMEOUT_SECONDS="600")
    server.wait_until_ready()
    with httpx.stream(
        "POST",
        f"{server.url}/v1/chat/completions",
        json={**ENDLESS, "stream": True},
        timeout=60,
    ) as running:
        lines = running.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        manager.hear_until("STATUS=draining")
        server.process.send_signal(signal.SIGTERM)
        # Even so the stream is told, and whole.
        assert [line for line in lines if "shutting_down" in line]
    assert server.stop() == 0


def test_a_model_that_cannot_answer_ends_the_service(
    manager: NotifySocket, start: Callable[..., ServerProcess]
) -> None:
    server = start(REQUIRE_GPU="1", N_GPU_LAYERS="0")
    if server.process.wait(60) == 0:
        pytest.skip("this machine has a GPU")
    manager.hear_the_rest()
    assert "READY=1" not in manager.heard
    assert [line for line in manager.heard if "REQUIRE_GPU is set" in line]


def test_a_restart_under_load_loses_no_request(
    manager: NotifySocket, start: Callable[..., ServerProcess]
) -> None:
    first = start(FDSTORE="4", N_PARALLEL="8")
    first.wait_until_ready()
    manager.hear_until("READY=1")
    listener = manager.stored["PORT"]
    load = Load(first.url)
    load.start()
    manager.hear_until("STATUS=ready: 8 running")
    assert first.stop() == 0
    prefix, handed = hand_over(listener, "PORT")
    port = str(listener.getsockname()[1])
    second = start(
        "--port", port, prefix=prefix, pass_fd=listener.fileno(), N_PARALLEL="8", **handed
    )
    second.wait_for(re.compile("clients have been waiting"))
    second.wait_until_ready()
    load.stop(after=100)
    assert load.failures == []
    assert second.stop() == 0
