import json
from pathlib import Path

import pytest

from server.library.record import FILE_NAME, Kept, Record, RecordFile

GEMMA = Kept(name="gemma3", file="gemma.gguf", repository="owner/gemma")
QWEN = Kept(name="qwen3", file="qwen.gguf")


def test_what_is_written_is_read_again(tmp_path: Path):
    record = Record().with_model(GEMMA).with_model(QWEN).with_copy("mine", "gemma3")
    folder = tmp_path / "new"
    RecordFile(folder).write(record)
    assert RecordFile(folder).read() == record
    assert [each.name for each in folder.iterdir()] == [FILE_NAME]


def test_a_model_goes_with_its_copies():
    record = Record().with_model(GEMMA).with_model(QWEN)
    record = record.with_copy("mine", "gemma3").with_copy("yours", "qwen3")
    left = record.without_model("gemma3")
    assert (left.models, left.copies) == ((QWEN,), {"yours": "qwen3"})
    assert left.without_copy("yours").copies == {}
    assert (left.of("qwen3"), left.of("gemma3")) == (QWEN, None)


def test_no_file_is_no_models(tmp_path: Path):
    assert RecordFile(tmp_path).read() == Record()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", json.dumps({"models": [{}]}).encode()])
def test_a_broken_file_is_told_and_survived(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
):
    (tmp_path / FILE_NAME).write_bytes(content)
    assert RecordFile(tmp_path).read() == Record()
    assert "the models that it names are not served" in caplog.text
