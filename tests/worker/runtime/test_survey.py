"""What a process of its own finds out about the engine and a model without loading it."""

from pathlib import Path

import gguf
import pytest

from server.settings.settings import Settings
from server.settings.slices import model_options
from server.surveying import SurveyFailed, look
from server.worker.survey import SurveyRequest

ROOT = Path(__file__).resolve().parents[3]
TINY = ROOT / "models" / "gpt-oss-tiny.gguf"


def request(model: Path, threads: int = 0) -> SurveyRequest:
    # Whether it is a model is what is to be found out.
    settings = Settings().model_copy(update={"model_path": model})
    return SurveyRequest(model=model_options(settings), bandwidth_threads=threads)


def test_the_bundled_model():
    found = look(request(TINY, threads=1))
    assert found.version.startswith("0.3")
    assert found.features
    assert found.bandwidth > 1e8
    assert found.model is not None
    reader = gguf.GGUFReader(TINY)
    sizes = {tensor.name: int(tensor.n_bytes) for tensor in reader.tensors}
    assert found.model.weight_bytes == pytest.approx(sum(sizes.values()), rel=0.01)
    used, count = (
        reader.fields[f"gpt-oss.{name}"].contents()
        for name in ("expert_used_count", "expert_count")
    )
    assert 0 < used < count
    experts = sum(size for name, size in sizes.items() if "_exps" in name)
    rest = sum(sizes.values()) - experts - sizes["token_embd.weight"] * ("output.weight" in sizes)
    assert found.model.active_bytes == int(rest + experts * used / count)
    assert found.model.kv_bytes > 0
    assert any("CPU" in note or "graphics card" in note for note in found.model.notes)


def test_without_a_model_the_engine_alone():
    found = look(SurveyRequest())
    assert found.model is None
    assert found.bandwidth == 0


def test_a_file_that_was_cut_is_told_in_llama_cpps_words(tmp_path: Path):
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(TINY.read_bytes()[:-100_000])
    found = look(request(cut))
    assert found.model is not None
    assert "not within the file bounds" in found.model.error


def test_a_process_that_ends_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    # A build whose libraries do not load.
    (tmp_path / "llama_cpp").mkdir()
    (tmp_path / "llama_cpp" / "__init__.py").write_text('raise OSError("libllama.so: no")')
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(SurveyFailed, match=r"libllama\.so: no"):
        look(SurveyRequest())
