"""What the folder of downloads knows without asking."""

from pathlib import Path

import pytest

from server.hub.errors import HubError
from server.hub.folder import Folder
from server.hub.reference import Reference

WORD = Reference(repo="o/r", file="Q4")
PART = "m-{}-of-00002.gguf"


def test_file_of_that_name_is_the_model(tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    folder = Folder(tmp_path)
    assert folder.find(Reference(repo="o/r", file="dir/m.gguf")) == tmp_path / "m.gguf"
    assert folder.find(Reference(repo="o/r", file="n.gguf")) is None
    assert folder.find(Reference(repo="o/r", file="m.gguf", size=4)) == tmp_path / "m.gguf"
    assert folder.find(Reference(repo="o/r", file="m.gguf", size=5)) is None


def test_model_in_parts_is_here_when_all_are(tmp_path: Path):
    reference = Reference(repo="o/r", file=PART.format("00002"))
    (tmp_path / PART.format("00001")).touch()
    assert Folder(tmp_path).find(reference) is None
    (tmp_path / PART.format("00002")).touch()
    assert Folder(tmp_path).find(reference) == tmp_path / PART.format("00001")


def test_name_without_a_file_is_remembered(tmp_path: Path):
    folder = Folder(tmp_path)
    assert folder.find(WORD) is None
    folder.remember(WORD, "m-Q4.gguf")
    assert folder.find(WORD) is None
    (tmp_path / "m-Q4.gguf").touch()
    assert folder.find(WORD) == tmp_path / "m-Q4.gguf"
    assert folder.find(Reference(repo="o/r")) is None


def test_record_leads_nowhere_else(tmp_path: Path):
    folder = Folder(tmp_path / "models")
    folder.make()
    (tmp_path / "m.gguf").touch()
    folder.remember(WORD, "../m.gguf")
    assert folder.find(WORD) is None


def test_too_little_room_is_told_in_figures(tmp_path: Path):
    with pytest.raises(HubError, match=r"needs 1000000000\.0 GB and /.* has .* free; free another"):
        Folder(tmp_path).check_room(10**18)
    Folder(tmp_path).check_room(1)


def test_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(HubError, match=r"cannot be made \(Not a directory\); set MODELS_DIR"):
        Folder(tmp_path / "file" / "models").make()
