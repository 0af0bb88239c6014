"""Real servers behind real proxies: official clients over TLS, and what a restart looks like."""

import re
import signal
from collections.abc import Callable, Iterator

import httpx
import openai
import pytest

from tests.clients.load import SHORT, Load
from tests.clients.server_process import ServerProcess
from tests.proxies.conftest import CLIENT, Publish
from tests.proxies.proxy import HOST, Certificate
from tests.systemd import NotifySocket, hand_over

KEY = "sk-test-key-behind-a-proxy"
SETTINGS = {
    "API_KEYS": f'{{"{KEY}": {{"user": "anna", "permissions": ["all"]}}}}',
    "TRUSTED_PROXIES": HOST,
    "N_THREADS": "1",
    "N_PARALLEL": "8",
}
Start = Callable[..., ServerProcess]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers, and ends them after the test."""
    started: list[ServerProcess] = []

    def start(*arguments: str, **given: object) -> ServerProcess:
        process = ServerProcess(*arguments, **(SETTINGS | given))
        started.append(process)
        process.wait_until_ready()
        return process

    yield start
    for process in started:
        process.stop(signal.SIGKILL)


@pytest.fixture
def manager() -> Iterator[NotifySocket]:
    found = NotifySocket()
    yield found
    found.close()


def port_of(server: ServerProcess) -> str:
    return server.url.rpartition(":")[2]


def test_the_openai_package_over_tls(
    publish: Publish, start: Start, certificate: Certificate
) -> None:
    server = start()
    proxy = publish(server.url)
    transport = httpx.HTTPTransport(verify=certificate.trusted(), local_address=CLIENT)
    own = httpx.Client(transport=transport, timeout=60)
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=KEY, http_client=own) as client:
        whole = client.chat.completions.create(model="gpt-oss-20b", **SHORT)
        stream = client.chat.completions.create(model="gpt-oss-20b", stream=True, **SHORT)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert whole.choices[0].message.content == streamed != ""
        with pytest.raises(openai.AuthenticationError):
            client.with_options(api_key="sk-wrong").models.list()
    server.wait_for(re.compile(rf"POST /v1/chat/completions -> 200 in \S+ s, from {CLIENT}$"))
    server.wait_for(re.compile(rf"GET /v1/models -> 401 in \S+ s, from {CLIENT}$"))


def test_a_restart_under_systemd_is_not_seen(
    publish: Publish, start: Start, manager: NotifySocket, certificate: Certificate
) -> None:
    first = start(NOTIFY_SOCKET=manager.path, FDSTORE="4")
    manager.hear_until("READY=1")
    listener = manager.stored["PORT"]
    load = Load(publish(first.url).url, KEY, verify=certificate.trusted())
    load.start()
    manager.hear_until("STATUS=ready: 8 running")
    assert first.stop() == 0
    prefix, handed = hand_over(listener, "PORT")
    port = ("--port", port_of(first))
    second = start(
        *port, prefix=prefix, pass_fd=listener.fileno(), NOTIFY_SOCKET=manager.path, **handed
    )
    load.stop(after=60)
    assert load.failures == []
    assert second.stop() == 0


def test_a_restart_without_systemd_is_told_and_needs_nothing_of_the_proxy(
    publish: Publish, start: Start, certificate: Certificate
) -> None:
    first = start()
    proxy = publish(first.url)
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx.Client(
        base_url=proxy.url, headers=headers, verify=certificate.trusted(), timeout=60
    ) as client:
        assert client.get("/v1/models").status_code == 200
        assert first.stop() == 0
        reply = client.post("/v1/chat/completions", json=SHORT)
        assert (reply.status_code, reply.headers["retry-after"]) == (502, "5")
        assert reply.json()["error"]["type"] == "service_unavailable"
        second = start("--port", port_of(first))
        assert client.post("/v1/chat/completions", json=SHORT).status_code == 200
    assert second.stop() == 0
