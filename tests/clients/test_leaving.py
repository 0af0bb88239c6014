"""A client that hangs up frees its place at once, whatever it was waiting for."""

import json
import re
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.clients.server_process import ServerProcess
from tests.engines.models import control_ids

QUEUE = re.compile(r"\[after-(\w+)\] answered .* queue (\d+\.\d+) s")
# An answer that never ends by itself and takes many seconds, on the only place there is.
ENDLESS = {
    "max_tokens": 30_000,
    "temperature": 0,
    "logit_bias": {str(token): -100 for token in control_ids().values()},
}


@pytest.fixture(scope="module")
def narrow() -> Iterator[ServerProcess]:
    """A server that answers one request at a time."""
    process = ServerProcess(N_PARALLEL="1", N_THREADS="1", CONTEXT_LENGTH="131072")
    try:
        process.wait_until_ready()
        yield process
    finally:
        assert process.stop() == 0


def begun(server: ServerProcess, body: dict[str, object]) -> socket.socket:
    """A connection on which a request was sent."""
    port = int(server.url.rpartition(":")[2])
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    payload = json.dumps(body).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\n\r\n"
    )
    connection.sendall(head.encode() + payload)
    return connection


@pytest.mark.parametrize(
    ("name", "stream", "words"),
    [
        ("answer", True, 1),
        ("prompt", True, 20_000),
        ("plain_answer", False, 1),
        ("plain_prompt", False, 20_000),
    ],
)
def test_the_place_is_free_again(
    narrow: ServerProcess, name: str, stream: bool, words: int
) -> None:
    messages = [{"role": "user", "content": "word " * words}]
    with begun(narrow, {**ENDLESS, "messages": messages, "stream": stream}) as connection:
        if stream:
            # The role chunk: admitted, and the prompt is being computed.
            assert b"200 OK" in connection.recv(4096)
    reply = httpx.post(
        f"{narrow.url}/v1/chat/completions",
        json={"messages": [{"role": "user", "content": "Hello!"}], "temperature": 0},
        headers={"X-Request-ID": f"after-{name}"},
        timeout=60,
    )
    assert reply.status_code == 200
    found = narrow.wait_for(QUEUE)
    assert found[1] == name
    assert float(found[2]) < 2
