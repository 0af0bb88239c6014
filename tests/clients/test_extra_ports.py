"""A real server on several ports: all of it on each, and each kept over a restart."""

import re
import signal
from collections.abc import Iterator

import httpx
import openai
import pytest

from tests.clients.load import SHORT
from tests.clients.server_process import ServerProcess
from tests.systemd import NotifySocket, hand_over

ALSO = re.compile(r"also at +(http://127\.0\.0\.1:\d+)")
OLLAMA = re.compile(r"Ollama +(http://127\.0\.0\.1:\d+)")
EXTRA = "EXTRA_PORTS.0"


@pytest.fixture
def manager() -> Iterator[NotifySocket]:
    found = NotifySocket()
    yield found
    found.close()


def test_every_port_is_the_whole_server(manager: NotifySocket) -> None:
    settings = {"NOTIFY_SOCKET": manager.path, "FDSTORE": "8", "N_THREADS": "1"}
    server = ServerProcess("--extra-ports", "0", "--ollama-port", "0", **settings)
    try:
        # At once: what nobody hears for a while is not kept.
        manager.hear_until("READY=1")
        server.wait_until_ready()
        also, ollama = (
            next(match[1] for line in server.log if (match := pattern.search(line)))
            for pattern in (ALSO, OLLAMA)
        )
        assert len({also, ollama, server.url}) == 3
        for url in (also, server.url):
            client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
            with client:
                assert client.chat.completions.create(model="gpt-oss", **SHORT).choices
            assert httpx.get(f"{url}/health", timeout=60).status_code == 200
        assert httpx.get(f"{ollama}/health", timeout=60).status_code == 404
        assert manager.stored.keys() == {"PORT", EXTRA, "OLLAMA_PORT"}
        kept = manager.stored[EXTRA]
        assert also.endswith(f":{kept.getsockname()[1]}")
        assert server.stop() == 0
    finally:
        server.stop(signal.SIGKILL)


def test_an_extra_port_is_kept_over_a_restart(manager: NotifySocket) -> None:
    settings = {"NOTIFY_SOCKET": manager.path, "N_THREADS": "1"}
    first = ServerProcess("--extra-ports", "0", FDSTORE="8", **settings)
    try:
        manager.hear_until("READY=1")
        first.wait_until_ready()
        assert first.stop() == 0
    finally:
        first.stop(signal.SIGKILL)
    kept = manager.stored[EXTRA]
    port = kept.getsockname()[1]
    prefix, handed = hand_over(kept, EXTRA)
    second = ServerProcess(
        "--extra-ports", "0", prefix=prefix, pass_fd=kept.fileno(), **settings, **handed
    )
    try:
        second.wait_until_ready()
        assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).status_code == 200
        assert second.stop() == 0
    finally:
        second.stop(signal.SIGKILL)
