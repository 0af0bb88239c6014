import pytest
from openai_harmony import HarmonyEncoding, load_harmony_encoding

from server.formats.harmony_markers import Markers
from server.formats.vocabulary import Vocabulary
from tests.formats.vocabularies import DATA, RANKS, real_vocabulary, tiny_vocabulary


@pytest.fixture(scope="session")
def tiny() -> Vocabulary:
    """The bundled model's vocabulary."""
    return tiny_vocabulary()


@pytest.fixture(scope="session")
def markers(tiny: Vocabulary) -> Markers:
    return Markers.of(tiny)


@pytest.fixture(scope="session")
def real() -> Vocabulary:
    """OpenAI's vocabulary of gpt-oss."""
    if not RANKS.exists():
        pytest.skip("o200k_base.tiktoken is not here; TIKTOKEN_ENCODINGS_BASE names its folder")
    return real_vocabulary()


@pytest.fixture(scope="session")
def harmony() -> HarmonyEncoding:
    """OpenAI's own renderer and parser, which needs the same file."""
    if not RANKS.exists():
        pytest.skip("o200k_base.tiktoken is not here; TIKTOKEN_ENCODINGS_BASE names its folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_ENCODINGS_BASE", str(DATA))
        return load_harmony_encoding("HarmonyGptOss")
