#!/usr/bin/env python3
"""Write a GGUF of the gpt-oss architecture with random weights: a model that costs what a trained
one of its shape costs, and recites its vocabulary. For benchmarks, never for tests of behaviour.

    bench/random_model.py --size full  full.gguf     # gpt-oss-20b's own shape, 12.1 GB
    bench/random_model.py --size small small.gguf    # 0.4 GB: what the server adds shows
    bench/random_model.py --size mini  mini.gguf     # 35 MB: loads at once

The vocabulary has gpt-oss's 201,088 entries and its special tokens; the words in it are made up.
Greedily sampled, every answer is text from its first token on and goes on until its limit.
"""

import argparse
from dataclasses import dataclass

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Quant
from random_vocabulary import BOS, CHAT_TEMPLATE, EOS, N_VOCAB, PAD, recital, vocabulary

MXFP4_BLOCK, MXFP4_BYTES = 32, 17
Q8_BLOCK, Q8_BYTES = 32, 34


@dataclass(frozen=True)
class Shape:
    """Sizes of a gpt-oss model; `heads` and `kv_heads` of width `head`, `used` experts a token."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    kv_heads: int
    head: int
    experts: int
    used: int


SHAPES = {
    "full": Shape(24, 2880, 2880, 64, 8, 64, 32, 4),
    "small": Shape(6, 768, 768, 16, 4, 64, 8, 2),
    "mini": Shape(2, 64, 64, 4, 2, 32, 4, 2),
}


@dataclass(frozen=True)
class Tensor:
    """A tensor to write: `shape` in numpy's order, `scale` and `mean` of its random values."""

    name: str
    shape: tuple[int, ...]
    kind: Quant
    scale: float = 0.0
    mean: float = 0.0


def layer(index: int, s: Shape) -> list[Tensor]:
    """The tensors of one transformer block."""
    block = f"blk.{index}."
    f32, q8, fp4 = Quant.F32, Quant.Q8_0, Quant.MXFP4
    projections = (("attn_q", s.heads), ("attn_k", s.kv_heads), ("attn_v", s.kv_heads))
    experts = (
        ("ffn_gate_exps", s.width, s.feed_forward),
        ("ffn_up_exps", s.width, s.feed_forward),
        ("ffn_down_exps", s.feed_forward, s.width),
    )
    out = [
        Tensor(f"{block}{name}.weight", (s.width,), f32, 0.0, 1.0)
        for name in ("attn_norm", "post_attention_norm")
    ]
    for name, heads in projections:
        out.append(Tensor(f"{block}{name}.weight", (heads * s.head, s.width), q8, 0.02))
        out.append(Tensor(f"{block}{name}.bias", (heads * s.head,), f32, 0.01))
    out += [
        Tensor(f"{block}attn_output.weight", (s.width, s.heads * s.head), q8, 0.02),
        Tensor(f"{block}attn_output.bias", (s.width,), f32, 0.01),
        Tensor(f"{block}attn_sinks.weight", (s.heads,), f32, 1.0),
        Tensor(f"{block}ffn_gate_inp.weight", (s.experts, s.width), f32, 0.05),
        Tensor(f"{block}ffn_gate_inp.bias", (s.experts,), f32, 0.01),
    ]
    for name, columns, rows in experts:
        out.append(Tensor(f"{block}{name}.weight", (s.experts, rows, columns), fp4))
        out.append(Tensor(f"{block}{name}.bias", (s.experts, rows), f32, 0.01))
    return out


def tensors(s: Shape) -> list[Tensor]:
    """All of them, the embedding first and the output matrix last."""
    blocks = [tensor for index in range(s.layers) for tensor in layer(index, s)]
    return [
        Tensor("token_embd.weight", (N_VOCAB, s.width), Quant.Q8_0, 1.0),
        *blocks,
        Tensor("output_norm.weight", (s.width,), Quant.F32, 0.0, 1.0),
        Tensor("output.weight", (N_VOCAB, s.width), Quant.Q8_0, 0.05),
    ]


class RandomWeights:
    """Raw tensor data of plausible scale, cut from one pool of random bytes: 12 GB must not take
    minutes.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._pool = self._rng.integers(0, 256, size=1 << 24, dtype=np.uint8)

    def data(self, tensor: Tensor) -> np.ndarray:
        if tensor.kind is Quant.F32:
            noise = self._rng.standard_normal(tensor.shape, dtype=np.float32)
            return noise * np.float32(tensor.scale) + np.float32(tensor.mean)
        *rows, columns = tensor.shape
        if tensor.kind is Quant.MXFP4:
            blocks = self._blocks(int(np.prod(tensor.shape)) // MXFP4_BLOCK, MXFP4_BYTES)
            blocks[:, 0] = 119  # the exponent byte of 2^-8: weights of about 0.01
            return blocks.reshape(*rows, columns // MXFP4_BLOCK * MXFP4_BYTES)
        blocks = self._blocks(int(np.prod(tensor.shape)) // Q8_BLOCK, Q8_BYTES)
        _scale(blocks, tensor)
        return blocks.reshape(*rows, columns // Q8_BLOCK * Q8_BYTES)

    def _blocks(self, count: int, size: int) -> np.ndarray:
        start = int(self._rng.integers(0, len(self._pool)))
        return np.resize(np.roll(self._pool, -start), count * size).reshape(count, size).copy()


def _scale(blocks: np.ndarray, tensor: Tensor) -> None:
    """Set the scale of Q8_0 blocks, the last axis being whole blocks, in place."""
    blocks = blocks.reshape(-1, Q8_BYTES)
    blocks[:, :2] = np.array([tensor.scale / 73], dtype=np.float16).view(np.uint8)


def reciting(tensor: Tensor, embedding: np.ndarray, order: list[int]) -> np.ndarray:
    """The output matrix that says `order`: what resembles a token's embedding, as the last layer's
    state does, scores highest for the token after it. It costs what any other costs.
    """
    data = np.empty_like(embedding)
    data[np.roll(order, -1)] = embedding[order]
    _scale(data, tensor)
    return data


def write_metadata(writer: gguf.GGUFWriter, name: str, s: Shape) -> None:
    tokens, types, merges = vocabulary()
    writer.add_name(f"gpt-oss random {name}")
    writer.add_context_length(131_072)
    writer.add_embedding_length(s.width)
    writer.add_block_count(s.layers)
    writer.add_feed_forward_length(s.feed_forward)
    writer.add_expert_feed_forward_length(s.feed_forward)
    writer.add_head_count(s.heads)
    writer.add_head_count_kv(s.kv_heads)
    writer.add_key_length(s.head)
    writer.add_value_length(s.head)
    writer.add_rope_dimension_count(s.head)
    writer.add_rope_freq_base(150_000.0)
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(32.0)
    writer.add_rope_scaling_orig_ctx_len(4096)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_expert_count(s.experts)
    writer.add_expert_used_count(s.used)
    writer.add_sliding_window(128)
    writer.add_file_type(38)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-4o")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(BOS)
    writer.add_eos_token_id(EOS)
    writer.add_pad_token_id(PAD)
    writer.add_chat_template(CHAT_TEMPLATE)


def stored_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape in bytes of a quantised tensor, in values of a plain one."""
    if tensor.kind is Quant.F32:
        return tensor.shape
    block, size = gguf.GGML_QUANT_SIZES[tensor.kind]
    *rows, columns = tensor.shape
    return (*rows, columns // block * size)


def write(path: str, name: str, seed: int) -> None:
    """Write a model of that shape. Its bytes depend on `name` and `seed` alone."""
    wanted = tensors(SHAPES[name])
    writer = gguf.GGUFWriter(path, "gpt-oss")
    write_metadata(writer, name, SHAPES[name])
    for tensor in wanted:
        plain = tensor.kind is Quant.F32
        shape = stored_shape(tensor)
        writer.add_tensor_info(
            tensor.name,
            shape,
            np.dtype(np.float32 if plain else np.uint8),
            int(np.prod(shape)) * (4 if plain else 1),
            raw_dtype=None if plain else tensor.kind,
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    write_weights(writer, wanted, RandomWeights(seed), seed)
    writer.close()


def write_weights(
    writer: gguf.GGUFWriter, wanted: list[Tensor], weights: RandomWeights, seed: int
) -> None:
    embedding = weights.data(wanted[0])
    writer.write_tensor_data(embedding)
    for tensor in wanted[1:-1]:
        writer.write_tensor_data(weights.data(tensor))
    order = recital(vocabulary()[0], seed)
    writer.write_tensor_data(reciting(wanted[-1], embedding, order))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out")
    parser.add_argument("--size", choices=SHAPES, default="small")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    write(args.out, args.size, args.seed)


if __name__ == "__main__":
    main()
