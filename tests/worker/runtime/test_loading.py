import io
from pathlib import Path

import llama_cpp.llama_cpp as llama
import pytest

from server.worker.runtime import library
from server.worker.runtime.load import Runtime, load
from server.worker.runtime.model import ModelError
from tests.worker.runtime.conftest import CONTEXT, SLOTS, TINY, tiny_options


def refusal(log: library.Log, path: Path) -> str:
    with pytest.raises(ModelError) as error:
        load(tiny_options(path=str(path)), log, lambda _fraction: None)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_the_facts_of_the_model(runtime: Runtime) -> None:
    loaded = runtime.loaded
    assert loaded.architecture == "gpt-oss"
    assert (loaded.context_length, loaded.slots) == (CONTEXT, SLOTS)
    assert loaded.training_context_length == 131072
    assert loaded.sliding_window == 128
    assert loaded.gpu_layers == 0
    assert loaded.parameters > 1_000_000
    assert 0 < loaded.size_bytes < TINY.stat().st_size
    assert any("CPU" in note for note in loaded.notes)
    assert any("repacking is on" in note for note in loaded.notes)


def test_the_vocabulary_is_bytes(runtime: Runtime) -> None:
    tokens = runtime.loaded.tokens
    assert len(set(tokens)) == len(tokens) == runtime.model.vocabulary_size
    assert {bytes([value]) for value in range(256)} <= set(tokens)


def test_control_and_end_tokens(runtime: Runtime) -> None:
    loaded = runtime.loaded
    names = {loaded.tokens[token] for token in loaded.control_ids}
    assert {b"<|start|>", b"<|end|>", b"<|message|>", b"<|channel|>", b"<|constrain|>"} <= names
    assert all(name.startswith(b"<|") for name in names)
    ends = {loaded.tokens[token] for token in loaded.end_ids}
    assert ends == {b"<|return|>", b"<|call|>", b"<|endoftext|>"}


def test_progress_rises_to_one(log: library.Log) -> None:
    heard: list[float] = []
    load(tiny_options(slots=1), log, heard.append).close()
    assert heard == sorted(heard)
    assert heard[-1] == 1.0


def test_a_context_longer_than_trained_is_cut(log: library.Log) -> None:
    runtime = load(tiny_options(slots=1, context_length=10**6), log, lambda _fraction: None)
    assert runtime.loaded.context_length == 131072
    assert "131072" in runtime.loaded.notes[0]
    runtime.close()


@pytest.mark.parametrize("slots", [1, 3])
def test_any_context_length_gets_all_its_cells(log: library.Log, slots: int) -> None:
    runtime = load(tiny_options(slots=slots, context_length=700), log, lambda _fraction: None)
    assert runtime.loaded.context_length == 700
    assert llama.llama_n_ctx_seq(runtime.context.pointer) >= 700
    runtime.close()


def test_experts_stay_on_the_cpu(log: library.Log) -> None:
    runtime = load(tiny_options(cpu_moe_layers=4, slots=1), log, lambda _fraction: None)
    runtime.close()
    overrides = library.experts_on_cpu(2)
    assert overrides is not None
    assert overrides[0].pattern == rb"blk\.(0|1)\.ffn_(up|down|gate)_exps"
    assert overrides[0].buffer_type
    assert (overrides[1].pattern, overrides[1].buffer_type) == (None, None)
    assert library.experts_on_cpu(0) is None


def test_a_missing_file(log: library.Log, tmp_path: Path) -> None:
    assert "There is no model file at" in refusal(log, tmp_path / "none.gguf")


def test_a_text_file(log: library.Log, tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_text("This is not a model.\n" * 100)
    assert "magic" in refusal(log, path)


def test_an_empty_file(log: library.Log, tmp_path: Path) -> None:
    path = tmp_path / "empty.gguf"
    path.touch()
    assert "llama.cpp cannot load" in refusal(log, path)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_file(log: library.Log, tmp_path: Path, part: float) -> None:
    path = tmp_path / "half.gguf"
    data = TINY.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    assert "llama.cpp cannot load" in refusal(log, path)


def test_the_log_keeps_errors_and_writes_what_matters() -> None:
    stream = io.StringIO()
    other = library.Log(stream)
    for level, text in [
        (library.LOG_INFO, b"boring: detail\n"),
        (library.LOG_INFO, b"load_tensors: offloaded 3/25 layers to GPU\n"),
        (library.LOG_WARN, b"half a "),
        (library.LOG_CONTINUED, b"warning\n"),
        (library.LOG_ERROR, b"llama_model_load: error loading model: \xff\n"),
        (library.LOG_ERROR, None),
    ]:
        other._receive(level, text, None)
    assert stream.getvalue().splitlines() == [
        "load_tensors: offloaded 3/25 layers to GPU",
        "half a warning",
        "llama_model_load: error loading model: \ufffd",
    ]
    assert other.reasons() == ["error loading model: \ufffd"]
    assert other.reasons() == []
    with other.quiet():
        other._receive(library.LOG_WARN, b"again\n", None)
    assert "again" not in stream.getvalue()
