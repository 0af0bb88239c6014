"""What a model on a hub may be called."""

import re

import pytest

from server.hub.reference import CATALOGUE, DEFAULT_NAME, Reference, is_reference, read_reference

QUANT = "unsloth/gpt-oss-20b-GGUF"


@pytest.mark.parametrize(
    ("text", "repo", "file"),
    [
        (f"hf.co/{QUANT}", QUANT, None),
        (f" HF.co/{QUANT}/ ", QUANT, None),
        (f"hf.co/{QUANT}:Q4_K_M", QUANT, "Q4_K_M"),
        (f"hf.co/{QUANT}:a-b.Q4.gguf", QUANT, "a-b.Q4.gguf"),
        (f"hf.co/{QUANT}:BF16/a-00001-of-00002.gguf", QUANT, "BF16/a-00001-of-00002.gguf"),
        (f"https://huggingface.co/{QUANT}", QUANT, None),
        (f"https://huggingface.co/{QUANT}/blob/main/a.gguf", QUANT, "a.gguf"),
        (f"https://huggingface.co/{QUANT}/resolve/main/b/a.gguf?download=true", QUANT, "b/a.gguf"),
    ],
)
def test_address_is_read(text: str, repo: str, file: str | None):
    assert is_reference(text)
    assert read_reference(text) == Reference(repo=repo, file=file)


@pytest.mark.parametrize("text", [f"hf.co/{QUANT}", f"hf.co/{QUANT}:Q4_K_M", "gpt-oss-20b"])
def test_reference_is_written_as_it_is_read(text: str):
    assert str(read_reference(text)) == text


@pytest.mark.parametrize(
    "text",
    ["hf.co/", "hf.co/owner", "hf.co/../..", "hf.co/a/b:", "hf.co/a/b:/etc/x", "hf.co/a/b c", "x"],
)
def test_anything_else_is_refused_in_one_sentence(text: str):
    with pytest.raises(ValueError, match=r"write hf\.co/OWNER/REPO") as caught:
        read_reference(text)
    assert "gpt-oss-20b" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["model.gguf", "/models/hf.co/a/b", "models", "gpt-oss", "hf.com/a"]
)
def test_path_is_no_reference(text: str):
    assert not is_reference(text)


def test_catalogue_knows_the_default_to_the_bit():
    known = read_reference(f" {DEFAULT_NAME.upper()} ")
    assert known is CATALOGUE[DEFAULT_NAME]
    assert known.repo == "ggml-org/gpt-oss-20b-GGUF"
    assert known.file == "gpt-oss-20b-mxfp4.gguf"
    assert known.size == 12_109_566_560
    assert re.fullmatch(r"be37a636[0-9a-f]{56}", known.sha256 or "")
