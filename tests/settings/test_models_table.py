"""What check-config tells of the models."""

import json
from pathlib import Path

from server.settings.models_table import models_report
from server.settings.settings import Settings
from tests.engines.models import TINY


def test_every_model_has_a_line(tmp_path: Path):
    (tmp_path / "broken.gguf").write_bytes(TINY.read_bytes()[:1000])
    entries = [
        {"name": "far", "hf_repo": "o/r", "file": "x.gguf"},
        {"name": "vectors", "path": str(TINY), "embeddings": True},
        {"name": "broken", "path": "broken.gguf"},
        {"name": "elsewhere", "upstream": {"base_url": "http://10.0.0.7:8080/v1"}},
    ]
    (tmp_path / "list.json").write_text(json.dumps(entries))
    settings = Settings(model_registry_path=str(tmp_path / "list.json"), models_dir=tmp_path)
    head, *rows, end = models_report(settings).split("\n")
    assert head.startswith("memory for models: ")
    assert end == ""
    assert [" ".join(row.split()) for row in rows] == [
        f"gpt-oss-20b needs 0.3 GiB {TINY}",
        "far not here yet hf.co/o/r:x.gguf",
        f"vectors needs 0.3 GiB {TINY}",
        f"broken needs an unknown amount ({tmp_path}/broken.gguf is not a whole GGUF file)"
        f" {tmp_path}/broken.gguf",
        "elsewhere needs none here answered by 10.0.0.7:8080",
    ]
