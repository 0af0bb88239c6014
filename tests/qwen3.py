"""A tiny model of the qwen3 architecture for the tests, which recites: after each token of a chain
comes the next one, whatever was asked. So what it says is known, and rules can be seen to hold.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

from tests.vocabulary_files import add_byte_pairs

TEMPLATE = Path(__file__).parent / "golden" / "templates" / "qwen3.jinja"
WIDTH, HEAD, CONTEXT = 256, 32, 4096
MORE = (
    ("<|im_start|>", TokenType.CONTROL),
    ("<|im_end|>", TokenType.CONTROL),
    ("<think>", TokenType.USER_DEFINED),
    ("</think>", TokenType.USER_DEFINED),
    ("<tool_call>", TokenType.USER_DEFINED),
    ("</tool_call>", TokenType.USER_DEFINED),
)
# From the end of a prompt on: a thought, an answer and its end. Spelled as the vocabulary has it.
CHAIN = ("Ċ", "<think>", "H", "m", "</think>", "ĊĊ", "Y", "e", "s", "!", "<|im_end|>")


def write_qwen3(path: Path, chain: Sequence[str] = CHAIN, template: str | None = None) -> Path:
    """Without a template (""), the file brings none; None: Qwen3's own."""
    writer = GGUFWriter(path, "qwen3")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HEAD)
    writer.add_block_count(1)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    tokens = add_byte_pairs(writer, "qwen2", MORE)
    writer.add_eot_token_id(tokens.index("<|im_end|>"))
    given = TEMPLATE.read_text(encoding="utf-8") if template is None else template
    if given:
        writer.add_chat_template(given)
    for name, values in _tensors(tokens, chain).items():
        writer.add_tensor(name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(tokens: list[str], chain: Sequence[str]) -> dict[str, np.ndarray]:
    """The layer adds nothing: the output sees the last token alone."""
    embedding = np.random.default_rng(1).standard_normal((len(tokens), WIDTH))
    output = embedding * 0.01
    ids = [tokens.index(each) for each in chain]
    output[ids[1:]] = embedding[ids[:-1]]
    ones, none = np.ones(WIDTH), np.zeros
    return {
        "token_embd.weight": embedding,
        "output_norm.weight": ones,
        "output.weight": output,
        "blk.0.attn_norm.weight": ones,
        "blk.0.attn_q.weight": none((2 * HEAD, WIDTH)),
        "blk.0.attn_k.weight": none((HEAD, WIDTH)),
        "blk.0.attn_v.weight": none((HEAD, WIDTH)),
        "blk.0.attn_output.weight": none((WIDTH, 2 * HEAD)),
        "blk.0.attn_q_norm.weight": np.ones(HEAD),
        "blk.0.attn_k_norm.weight": np.ones(HEAD),
        "blk.0.ffn_norm.weight": ones,
        "blk.0.ffn_gate.weight": none((HEAD, WIDTH)),
        "blk.0.ffn_up.weight": none((HEAD, WIDTH)),
        "blk.0.ffn_down.weight": none((WIDTH, HEAD)),
    }
