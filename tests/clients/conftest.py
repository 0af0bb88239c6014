from collections.abc import Iterator

import pytest

from tests.clients.server_process import LISTENING, READY, ServerProcess

KEY = "sk-test-key-of-the-clients"
KEYS = (
    f'{{"{KEY}": {{"user": "admin", "permissions": ["all"]}},'
    ' "sk-test-completions-only": {"user": "user1", "permissions": ["completions"]}}'
)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """The root URL of a real server on the bundled model, with two keys."""
    server = ServerProcess(API_KEYS=KEYS, MODEL_PATH="", N_PARALLEL="8", N_THREADS="1")
    try:
        port = server.wait_for(LISTENING)[1]
        server.wait_for(READY)
        yield f"http://127.0.0.1:{port}"
    finally:
        assert server.stop() == 0
