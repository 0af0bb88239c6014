"""The tiny model, loaded once for all tests that compute with it."""

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import llama_cpp.llama_cpp as llama
import pytest

from server.worker.messages import ModelOptions
from server.worker.runtime import library
from server.worker.runtime.load import Runtime, load
from tests.worker.runtime.float_model import write_float_copy

TINY = Path(__file__).resolve().parents[3] / "models/gpt-oss-tiny.gguf"
SLOTS = 8
CONTEXT = 1024
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
