"""GGUF files for the tests that hold a vocabulary: the bundled model's, split in any way, and a
SentencePiece one that is made up.
"""

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path

from gguf import GGUFReader, GGUFWriter, TokenType

TINY = Path(__file__).parents[1] / "models" / "gpt-oss-tiny.gguf"
BLANK = "\u2581"
WORDS = (
    "hello",
    "world",
    "the",
    "Hello",
    "naïve",
    "дом",
    "привет",
    "中文",
    "don't",
    "x1",
    "==",
    "...",
)


def write_byte_pairs(path: Path, pre: str) -> Path:
    """The bundled model's tokens and merges, without weights."""
    writer = _writer(path)
    add_byte_pairs(writer, pre)
    return _closed(writer, path)


def add_byte_pairs(
    writer: GGUFWriter, pre: str, more: tuple[tuple[str, TokenType], ...] = ()
) -> list[str]:
    """The bundled model's tokens with these at the end, all of them in order. What harmony names
    has other names: a model that has them speaks it.
    """
    fields = GGUFReader(TINY).fields
    own = [name.replace("<|", "<|old_") for name in fields["tokenizer.ggml.tokens"].contents()]
    tokens = [*own, *(name for name, _ in more)]
    types = [*fields["tokenizer.ggml.token_type"].contents(), *(kind for _, kind in more)]
    writer.add_tokenizer_model("gpt2")
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(fields["tokenizer.ggml.merges"].contents())
    writer.add_bos_token_id(tokens.index("<|old_startoftext|>"))
    writer.add_eos_token_id(tokens.index("<|old_return|>"))
    writer.add_add_bos_token(False)
    return tokens


def write_sentence_pieces(path: Path) -> Path:
    """Characters of a few words and what they merge into, blanks, bytes, and tokens with names."""
    tokens = [("<unk>", TokenType.UNKNOWN), ("<s>", TokenType.CONTROL), ("</s>", TokenType.CONTROL)]
    tokens += [(name, TokenType.USER_DEFINED) for name in ("<tool>", "  ", "   ", "\n\n")]
    tokens += [(f"<0x{value:02X}>", TokenType.BYTE) for value in range(256)]
    tokens += [(piece, TokenType.NORMAL) for piece in _pieces()]
    writer = _writer(path)
    writer.add_tokenizer_model("llama")
    writer.add_token_list([name for name, _ in tokens])
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_token_scores([0.0 if i < 263 else 262.0 - i for i in range(len(tokens))])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    return _closed(writer, path)


def _pieces() -> list[str]:
    """Merged from a text of these words as SentencePiece does, the commonest pair first."""
    draw = random.Random(1)
    texts = [[BLANK, *word] for word in draw.choices(WORDS, k=300)]
    letters = sorted({letter for text in texts for letter in text})
    merged: list[str] = []
    while pairs := Counter(pair for text in texts for pair in pairwise(text)):
        (left, right), _count = max(pairs.items(), key=lambda item: (item[1], item[0]))
        merged.append(left + right)
        texts = [_merged(text, left, right) for text in texts]
    return [*dict.fromkeys(merged), *letters]


def _merged(text: list[str], left: str, right: str) -> list[str]:
    found: list[str] = []
    for part in text:
        if found and found[-1] == left and part == right:
            found[-1] = left + right
        else:
            found.append(part)
    return found


def _writer(path: Path) -> GGUFWriter:
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_block_count(1)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    return writer


def _closed(writer: GGUFWriter, path: Path) -> Path:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
