"""What a path to a model may mean."""

import os
from pathlib import Path

import pytest

from server.hub.reference import Reference
from server.settings.model_file import bundled_model, find_model, find_or_name


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"GGUF and so on")


@pytest.mark.parametrize(
    ("names", "path", "found"),
    [
        (["a.gguf"], "a.gguf", "a.gguf"),
        (["a.gguf"], ".", "a.gguf"),
        (["a.gguf", "README.md"], "", "a.gguf"),
        (["gpt-oss-20b-mxfp4.gguf", "other.gguf"], "gpt-oss-20b", "gpt-oss-20b-mxfp4.gguf"),
        (["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"], ".", "a-00001-of-00002.gguf"),
        (["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"], "a", "a-00001-of-00002.gguf"),
        (
            ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"],
            "a-00002-of-00002.gguf",
            "a-00001-of-00002.gguf",
        ),
    ],
)
def test_model_is_found(tmp_path: Path, names: list[str], path: str, found: str):
    make(tmp_path, *names)
    assert find_model(f"{tmp_path}/{path}") == tmp_path / found


def test_path_is_taken_from_the_working_directory_and_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make(tmp_path, "a.gguf")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_model("a.gguf") == find_model(" ~/a.gguf ") == tmp_path / "a.gguf"


@pytest.mark.parametrize(
    ("names", "path", "sentence"),
    [
        ([], "a.gguf", "does not exist; set it to a GGUF file, or unset it"),
        ([], "no/where", "does not exist"),
        ([], ".", "holds no .gguf file"),
        (["a.gguf", "b.gguf"], ".", "could mean 2 models (a.gguf, b.gguf); name one of them"),
        (["a-x.gguf", "a-y.gguf"], "a", "could mean 2 models (a-x.gguf, a-y.gguf)"),
        (["a-00001-of-00002.gguf"], ".", "a-00002-of-00002.gguf is missing"),
        (["a-00002-of-00002.gguf"], ".", "a-00001-of-00002.gguf is missing"),
    ],
)
def test_model_is_not_found(tmp_path: Path, names: list[str], path: str, sentence: str):
    make(tmp_path, *names)
    with pytest.raises(ValueError, match=r"^/") as caught:
        find_model(f"{tmp_path}/{path}")
    assert sentence in str(caught.value)


def test_file_that_is_no_gguf(tmp_path: Path):
    (tmp_path / "a.gguf").write_text("<!doctype html>")
    with pytest.raises(ValueError, match=r"a\.gguf is not a GGUF file; download it again"):
        find_model(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_rights(tmp_path: Path):
    make(tmp_path, "a.gguf")
    (tmp_path / "a.gguf").chmod(0)
    with pytest.raises(ValueError, match=r"cannot be read \(Permission denied\)"):
        find_model(str(tmp_path))


def test_name_of_a_model_on_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert find_or_name("hf.co/a/b:c.gguf") == Reference(repo="a/b", file="c.gguf")
    assert str(find_or_name(" GPT-OSS-20B ")) == "gpt-oss-20b"
    with pytest.raises(ValueError, match="write hf"):
        find_or_name("hf.co/a")


def test_file_that_is_here_comes_before_a_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    make(tmp_path, "gpt-oss-20b-x.gguf")
    assert find_or_name("gpt-oss-20b") == tmp_path / "gpt-oss-20b-x.gguf"
    make(tmp_path, "gpt-oss-20b-y.gguf")
    with pytest.raises(ValueError, match="could mean 2 models"):
        find_or_name("gpt-oss-20b")


def test_demonstration_model_comes_with_the_checkout():
    model = bundled_model()
    assert model is not None
    assert find_model(str(model)) == model
