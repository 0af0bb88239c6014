"""A GGUF's vocabulary as llama.cpp has it, without its weights."""

import ctypes
from functools import cached_property
from pathlib import Path

import llama_cpp

from server.formats.model_text import ModelText
from server.formats.tokenisers import Vocabularies, vocabularies_of
from server.worker.runtime import text as runtime_text
from server.worker.runtime.vocabulary import read_vocabulary


class LlamaVocabulary:
    """Kept in memory until the tests end."""

    def __init__(self, path: Path) -> None:
        self._quiet = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self._quiet, ctypes.c_void_p(0))
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self.pointer = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        assert self.pointer, f"{path} cannot be loaded"
        self.vocab = llama_cpp.llama_model_get_vocab(self.pointer)
        self.vocabulary_size: int = llama_cpp.llama_vocab_n_tokens(self.vocab)

    def text(self, key: str) -> str:
        buffer = ctypes.create_string_buffer(256)
        llama_cpp.llama_model_meta_val_str(self.pointer, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def model_text(self) -> ModelText:
        """What a worker tells the gateway of it."""
        seen = runtime_text.read_text(self)
        read = read_vocabulary(self.vocab)
        return ModelText(
            architecture="test",
            tokeniser=seen.tokeniser,
            pre=seen.pre,
            tokens=read.tokens,
            control_ids=read.control_ids,
            end_ids=read.end_ids,
            kinds=seen.kinds,
            scores=seen.scores,
            bos=seen.bos,
            eos=seen.eos,
            begins=seen.begins,
            space_prefix=seen.space_prefix,
            templates=seen.templates,
        )

    @cached_property
    def vocabularies(self) -> Vocabularies:
        return vocabularies_of(self.model_text())

    def tokenise(self, text: str) -> list[int]:
        """llama.cpp's own ids of a text without control tokens."""
        data = text.encode()
        room = (llama_cpp.llama_token * (len(data) + 16))()
        count = llama_cpp.llama_tokenize(self.vocab, data, len(data), room, len(room), False, False)
        assert count >= 0
        return list(room[:count])
