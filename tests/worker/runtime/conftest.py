"""The tiny model, loaded once for all tests that compute with it."""

import base64
import ctypes
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import llama_cpp.llama_cpp as llama
import pytest

from server.worker.messages import ModelOptions
from server.worker.runtime import library
from server.worker.runtime.load import Runtime, load
from tests.worker.runtime.float_model import write_float_copy
from tests.worker.runtime.walks import Walker

TINY = Path(__file__).resolve().parents[3] / "models/gpt-oss-tiny.gguf"
SLOTS = 8
CONTEXT = 1024
# gpt-oss: 199,998 words, then control tokens and padding.
O200K_SIZE = 201_088
SYSTEM = (
    "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
    "Knowledge cutoff: 2024-06\nCurrent date: 2025-06-28\n\nReasoning: low\n\n"
    "# Valid channels: analysis, commentary, final."
    " Channel must be included for every message.<|end|>"
)


def tiny_options(**fields: object) -> ModelOptions:
    values: dict[str, object] = {
        "path": str(TINY),
        "context_length": CONTEXT,
        "slots": SLOTS,
        "threads": 1,
        "gpu_layers": 0,
        "cpu_moe_layers": 0,
        "weight_repack": "on",
        "queue_limit": 16,
    }
    return ModelOptions(**values | fields)


@pytest.fixture(scope="session")
def log() -> library.Log:
    return library.start()


@pytest.fixture(scope="session")
def runtime(log: library.Log) -> Iterator[Runtime]:
    runtime = load(tiny_options(), log, lambda _fraction: None)
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def float_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model without rounding."""
    return write_float_copy(TINY, tmp_path_factory.mktemp("float") / "tiny.gguf")


@pytest.fixture(scope="session")
def exact(log: library.Log, float_copy: Path) -> Iterator[Runtime]:
    """The model without rounding."""
    runtime = load(tiny_options(path=str(float_copy)), log, lambda _fraction: None)
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def another(log: library.Log, float_copy: Path) -> Iterator[Runtime]:
    """The same once more, with slots of its own."""
    runtime = load(tiny_options(path=str(float_copy)), log, lambda _fraction: None)
    yield runtime
    runtime.close()


@pytest.fixture(scope="session")
def tokens_of(runtime: Runtime) -> Callable[[str], list[int]]:
    """Text to token ids, control tokens included."""

    def tokenize(text: str) -> list[int]:
        data = text.encode()
        ids = (ctypes.c_int32 * len(data))()
        count = llama.llama_tokenize(
            runtime.model.vocab, data, len(data), ids, len(data), False, True
        )
        return list(ids[:count])

    return tokenize


@pytest.fixture(scope="session")
def chats(tokens_of: Callable[[str], list[int]]) -> list[list[int]]:
    """Eight prompts of different lengths, as the model was trained to read them."""
    questions = [
        "Hello",
        "What is your name?",
        "Repeat after me: red blue green yellow",
        "Tell me a story",
        "My name is Anna. What is my name?",
        "Привет!",
        "Write a haiku",
        "Repeat after me: " + " ".join(["alpha", "beta", "gamma", "delta"] * 12),
    ]
    end = "<|end|><|start|>assistant"
    return [tokens_of(f"{SYSTEM}<|start|>user<|message|>{text}{end}") for text in questions]


@pytest.fixture(scope="session")
def tiny(runtime: Runtime) -> Walker:
    """Grammars over the bundled model's tokens."""
    hidden = {*runtime.loaded.control_ids, *runtime.loaded.end_ids}
    return Walker(runtime.loaded.tokens, sorted(hidden))


@pytest.fixture(scope="session")
def o200k() -> Walker:
    """Grammars over gpt-oss's own tokens."""
    folder = os.environ.get("TIKTOKEN_ENCODINGS_BASE") or TINY.parents[2] / "shared/data"
    path = Path(folder) / "o200k_base.tiktoken"
    if not path.is_file():
        pytest.skip("o200k_base.tiktoken is not here; TIKTOKEN_ENCODINGS_BASE names its folder")
    words = [base64.b64decode(line.split()[0]) for line in path.read_bytes().splitlines()]
    tokens = words + [b"<|reserved_%d|>" % i for i in range(len(words), O200K_SIZE)]
    return Walker(tokens, range(len(words), O200K_SIZE))
