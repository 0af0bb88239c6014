"""A model of another architecture that has learned nothing: GPT-2 with random weights, and the
vocabulary of the bundled model.
"""

from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter

CONTEXT = 256
WIDTH, HEADS, LAYERS = 32, 2, 2


def write_gpt2(vocabulary_of: Path, target: Path) -> Path:
    """Write the model; its tokens are those of another file."""
    reader = GGUFReader(vocabulary_of)
    writer = GGUFWriter(target, "gpt2")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(4 * WIDTH)
    writer.add_head_count(HEADS)
    writer.add_block_count(LAYERS)
    writer.add_layer_norm_eps(1e-5)
    for field in reader.fields.values():
        if field.name.startswith("tokenizer.ggml."):
            kind, *_, inner = field.types if len(field.types) > 1 else (*field.types, None)
            sub_type = inner if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub_type=sub_type)
    tokens = len(reader.fields["tokenizer.ggml.tokens"].data)
    for name, values in _weights(tokens).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _weights(tokens: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)

    def drawn(*shape: int) -> np.ndarray:
        return random.normal(0, 0.2, shape).astype(np.float32)

    weights = {
        "token_embd.weight": drawn(tokens, WIDTH),
        "position_embd.weight": drawn(CONTEXT, WIDTH),
    }
    norms = ["output_norm"]
    for block in (f"blk.{layer}" for layer in range(LAYERS)):
        norms += [f"{block}.attn_norm", f"{block}.ffn_norm"]
        for name, inputs, outputs in (
            ("attn_qkv", WIDTH, 3 * WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_up", WIDTH, 4 * WIDTH),
            ("ffn_down", 4 * WIDTH, WIDTH),
        ):
            weights[f"{block}.{name}.weight"] = drawn(outputs, inputs)
            weights[f"{block}.{name}.bias"] = drawn(outputs)
    for name in norms:
        weights[f"{name}.weight"] = np.ones(WIDTH, np.float32)
        weights[f"{name}.bias"] = np.zeros(WIDTH, np.float32)
    return weights
