from collections.abc import Iterator

import openai
import pytest
from gguf import PoolingType

from tests.bert import Bert
from tests.clients.server_process import ServerProcess
from tests.clients.sites import Site, running

KEY = "sk-test-key-of-the-clients"
EMBEDDER = "text-embedding"
KEYS = (
    f'{{"{KEY}": {{"user": "admin", "permissions": ["all"]}},'
    ' "sk-test-completions-only": {"user": "user1", "permissions": ["completions"]}}'
)


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """A real server on the bundled model, with two keys, that has loaded its model."""
    process = ServerProcess(API_KEYS=KEYS, MODEL_PATH="", N_PARALLEL="8", N_THREADS="1")
    try:
        process.wait_until_ready()
        yield process
    finally:
        assert process.stop() == 0


@pytest.fixture(scope="session")
def address(server: ServerProcess) -> str:
    """Its root URL."""
    return server.url


@pytest.fixture
def client(address: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def two_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A real server with the same keys, Ollama's port, and an embedding model."""
    path = Bert().write(tmp_path_factory.mktemp("bert") / "bert.gguf", PoolingType.CLS)
    embedder = {"EMBEDDING_MODEL_PATH": str(path), "EMBEDDING_MODEL_NAME": EMBEDDER}
    with running(models=2, API_KEYS=KEYS, **embedder) as site:
        yield site
