from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.hub.reference import CATALOGUE, is_reference
from server.library.names import LONGEST_NAME, OLLAMA_NAMES, place_of, plain_name


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("gemma3:latest", "gemma3"),
        ("gemma3", "gemma3"),
        (" gpt-oss:20b ", "gpt-oss:20b"),
        ("registry.ollama.ai/library/qwen3:latest", "qwen3"),
        ("library/devstral", "devstral"),
        ("hf.co/ggml-org/gpt-oss-20b-GGUF:Q4_K_M", "hf.co/ggml-org/gpt-oss-20b-GGUF:Q4_K_M"),
    ],
)
def test_what_ollama_takes_for_granted_is_left_out(asked: str, name: str):
    assert plain_name(asked) == name


@pytest.mark.parametrize(
    "text", ["", " ", ":latest", "a b", "a:b:c", "/etc/passwd", "é", "a\nb", "a:"]
)
def test_what_can_be_no_name_is_refused(text: str):
    with pytest.raises(ValueError, match="is invalid"):
        plain_name(text)


@given(st.text(max_size=300))
def test_a_name_is_one_word_and_stays_what_it_is(text: str):
    try:
        name = plain_name(text)
    except ValueError:
        return
    assert plain_name(name) in (name, name.removesuffix(":latest"))
    assert len(name.split()) == 1
    assert len(name) <= LONGEST_NAME
    # In a folder it stays in that folder's tree, however it is joined to it.
    assert not Path(name).is_absolute()


@pytest.mark.parametrize("name", [*OLLAMA_NAMES, *CATALOGUE])
def test_every_known_name_has_a_place(name: str):
    assert plain_name(name) == name
    assert is_reference(OLLAMA_NAMES.get(name, name))
    assert place_of(name).repo.count("/") == 1


def test_the_names_of_the_default_model_mean_one_file():
    assert place_of("gpt-oss") == place_of("GPT-OSS:20b") == CATALOGUE["gpt-oss-20b"]


def test_a_repository_is_its_own_name():
    place = place_of("hf.co/owner/repo:Q4_K_M")
    assert (place.repo, place.file) == ("owner/repo", "Q4_K_M")


def test_who_asks_for_what_is_not_known_is_told_what_is():
    with pytest.raises(ValueError, match=r"no place for 'llama9'; write hf\.co/OWNER.*gemma3"):
        place_of("llama9")
