"""What a model file says of its text: its tokeniser, the kinds of its tokens, its chat templates.
Does not interpret any of it.
"""

import ctypes
from typing import Any

import llama_cpp.llama_cpp as llama

from server.worker.messages import SAMPLE_TEXT, ModelText
from server.worker.runtime.model import Model

NORMAL, CONTROL, USER_DEFINED, BYTE = range(4)
STRIPS_LEFT, STRIPS_RIGHT = 0x40, 0x80
NO_TEXT = (
    llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN | llama.LLAMA_TOKEN_ATTR_UNUSED
)
TEMPLATE = "tokenizer.chat_template"
# The tokeniser that merges by scores, and puts a blank first unless the file says otherwise.
SENTENCE_PIECE = "llama"


def read_text(model: Model) -> ModelText:
    """The text of a loaded model."""
    vocab = model.vocab
    tokeniser = model.text("tokenizer.ggml.model")
    by_score = tokeniser == SENTENCE_PIECE
    prefix = model.text("tokenizer.ggml.add_space_prefix")
    ids = range(model.vocabulary_size)
    return ModelText(
        tokeniser=tokeniser,
        pre=model.text("tokenizer.ggml.pre"),
        kinds=bytes(_kind(vocab, token) for token in ids),
        scores=[llama.llama_vocab_get_score(vocab, token) for token in ids] if by_score else [],
        bos=llama.llama_vocab_bos(vocab),
        eos=llama.llama_vocab_eos(vocab),
        begins=bool(llama.llama_vocab_get_add_bos(vocab)),
        space_prefix=by_score and prefix != "false",
        templates=_templates(model.pointer),
        sample=_tokenised(vocab, SAMPLE_TEXT.encode()),
    )


def _kind(vocab: Any, token: int) -> int:
    attributes = llama.llama_vocab_get_attr(vocab, token)
    kind = NORMAL
    if attributes & llama.LLAMA_TOKEN_ATTR_BYTE:
        kind = BYTE
    elif attributes & NO_TEXT:
        kind = CONTROL
    elif attributes & llama.LLAMA_TOKEN_ATTR_USER_DEFINED:
        kind = USER_DEFINED
    left = STRIPS_LEFT if attributes & llama.LLAMA_TOKEN_ATTR_LSTRIP else 0
    right = STRIPS_RIGHT if attributes & llama.LLAMA_TOKEN_ATTR_RSTRIP else 0
    return kind | left | right


def _templates(pointer: Any) -> dict[str, str]:
    """The chat templates by name, the usual one ""."""
    keys = [_key(pointer, index) for index in range(llama.llama_model_meta_count(pointer))]
    named = [key for key in keys if key == TEMPLATE or key.startswith(f"{TEMPLATE}.")]
    return {key[len(TEMPLATE) + 1 :]: _value(pointer, key) for key in named}


def _key(pointer: Any, index: int) -> str:
    buffer = ctypes.create_string_buffer(512)
    llama.llama_model_meta_key_by_index(pointer, index, buffer, len(buffer))
    return buffer.value.decode(errors="replace")


def _value(pointer: Any, key: str) -> str:
    size = llama.llama_model_meta_val_str(pointer, key.encode(), None, 0)
    buffer = ctypes.create_string_buffer(max(size, 0) + 1)
    llama.llama_model_meta_val_str(pointer, key.encode(), buffer, len(buffer))
    return buffer.value.decode(errors="replace")


def _tokenised(vocab: Any, data: bytes) -> list[int]:
    room = (llama.llama_token * (len(data) + 8))()
    count = llama.llama_tokenize(vocab, data, len(data), room, len(room), False, False)
    return list(room[: max(count, 0)])
