"""Whole prompts as token ids: llama.cpp's own of the text that the template writes, where no client
spells markup.
"""

import os
from dataclasses import replace
from pathlib import Path

import llama_cpp
import pytest

from server.core.messages import AssistantMessage
from server.formats.choice import speech_of
from tests.formats.llama_vocabulary import LlamaVocabulary
from tests.formats.templates import CASES, TODAY, request, source, user
from tests.vocabulary_files import write_sentence_pieces

REAL = Path(os.environ.get("GGML_VOCABULARIES", "nowhere"))
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}"
    "{{ '[INST] ' + m.content.strip() + ' [/INST]' }}{% else %}"
    "{{ ' ' + m.content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
TURNS = (
    source("gemma-turns").replace("<start_of_turn>", "<|turn>").replace("<end_of_turn>", "<turn|>")
)
TEMPLATES = {
    "phi-3": source("phi-3.5"),
    "gemma-4": TURNS,
    "llama-bpe": source("llama-headers"),
    "qwen2": source("qwen3"),
    "qwen35": source("qwen3"),
    "deepseek-llm": source("deepseek-r1-distill"),
}
TALK = request(user("Hi!"), AssistantMessage(text="Hello, world."), user("And  now?\n\nGo on."))


def check(model: LlamaVocabulary, template: str) -> None:
    text = replace(model.model_text(), templates={"": template})
    text = replace(text, end_ids=text.end_ids or [text.eos])
    speech = speech_of(text, lambda: TODAY)
    assert speech.note == ""
    for asked in (CASES["chat"], TALK):
        ids = speech.format.prompt(asked).tokens
        written = b"".join(map(speech.vocabulary.bytes_of, ids))
        assert ids == parsed(model, written.decode()), written


def parsed(model: LlamaVocabulary, text: str) -> list[int]:
    """llama.cpp's ids of a text whose markup is markup."""
    data = text.encode()
    room = (llama_cpp.llama_token * (len(data) + 16))()
    count = llama_cpp.llama_tokenize(model.vocab, data, len(data), room, len(room), False, True)
    assert count >= 0
    return list(room[:count])


def test_prompt_of_sentence_pieces_is_llama_cpps(tmp_path: Path) -> None:
    # Blanks before a text are llama.cpp's own doing, and not to be read back from its bytes.
    model = LlamaVocabulary(write_sentence_pieces(tmp_path / "model.gguf"))
    text = replace(model.model_text(), templates={"": INST})
    ids = speech_of(text, lambda: TODAY).format.prompt(TALK).tokens
    written = "<s>[INST] Hi! [/INST] Hello, world. </s>[INST] And  now?\n\nGo on. [/INST]"
    assert ids == parsed(model, written)


@pytest.mark.parametrize("name", ["qwen2", "qwen35", "llama-bpe", "deepseek-llm", "gemma-4"])
def test_prompts_of_real_vocabularies_are_llama_cpps(name: str) -> None:
    if not REAL.is_dir():
        pytest.skip("llama.cpp's vocabularies are not here; GGML_VOCABULARIES names their folder")
    check(LlamaVocabulary(REAL / f"ggml-vocab-{name}.gguf"), TEMPLATES[name])


def test_tokens_take_the_blanks_beside_them() -> None:
    if not REAL.is_dir():
        pytest.skip("llama.cpp's vocabularies are not here; GGML_VOCABULARIES names their folder")
    model = LlamaVocabulary(REAL / "ggml-vocab-phi-3.gguf")
    text = replace(model.model_text(), templates={"": TEMPLATES["phi-3"]})
    ids = speech_of(text, lambda: TODAY).format.prompt(TALK).tokens
    written = (
        "<s><|user|>\nHi!<|end|>\n<|assistant|>\nHello, world.<|end|>\n<|user|>\nAnd  now?\n\n"
        "Go on.<|end|>\n<|assistant|>\n"
    )
    assert ids == parsed(model, written)
