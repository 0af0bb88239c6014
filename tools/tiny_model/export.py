"""Write a checkpoint as a GGUF that llama.cpp loads as gpt-oss.

    python -m tools.tiny_model.export RUN models/gpt-oss-tiny.gguf

Experts become MXFP4, the other matrices Q8_0, the rest F32. The file and its .sha256 appear by
rename, so that a server never sees half a file.
"""

import argparse
import hashlib
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Quant
from torch import Tensor

from .model import Model, Shape
from .tokenizer import Vocabulary

FOLDER = Path(__file__).parent
FILE_TYPE_MXFP4 = 38
NORMAL, CONTROL = 1, 3


def load(run: Path) -> tuple[Model, Vocabulary]:
    """Model and vocabulary of a run."""
    vocabulary = Vocabulary.load(run / "vocabulary.txt")
    model = Model(Shape(vocabulary.size))
    model.load_state_dict(torch.load(run / "model.pt", map_location="cpu")["model"])
    return model.eval(), vocabulary


def tensors(model: Model) -> list[tuple[str, Tensor, Quant]]:
    """(GGUF name, weights, type) of every tensor."""
    out = [("token_embd.weight", model.embedding, Quant.Q8_0)]
    for i, layer in enumerate(model.layers):
        a, e, block = layer.attention, layer.experts, f"blk.{i}."
        named = [
            ("attn_norm.weight", layer.attention_norm, Quant.F32),
            ("post_attention_norm.weight", layer.experts_norm, Quant.F32),
            ("attn_sinks.weight", a.sinks, Quant.F32),
            ("ffn_gate_inp.weight", e.router, Quant.F32),
            ("ffn_gate_inp.bias", e.router_bias, Quant.F32),
        ]
        for name, weight, bias in (
            ("attn_q", a.q, a.q_bias),
            ("attn_k", a.k, a.k_bias),
            ("attn_v", a.v, a.v_bias),
            ("attn_output", a.o, a.o_bias),
        ):
            named += [(f"{name}.weight", weight, Quant.Q8_0), (f"{name}.bias", bias, Quant.F32)]
        for name, weight, bias in (
            ("ffn_gate_exps", e.gate, e.gate_bias),
            ("ffn_up_exps", e.up, e.up_bias),
            ("ffn_down_exps", e.down, e.down_bias),
        ):
            named += [(f"{name}.weight", weight, Quant.MXFP4), (f"{name}.bias", bias, Quant.F32)]
        out += [(block + name, weight, quant) for name, weight, quant in named]
    return [
        *out,
        ("output_norm.weight", model.norm, Quant.F32),
        ("output.weight", model.output, Quant.Q8_0),
    ]


def write_shape(w: gguf.GGUFWriter, s: Shape) -> None:
    """The hyper-parameters, under the keys of the real file."""
    w.add_name("gpt-oss-tiny (demonstration model of gpt-api)")
    w.add_type("model")
    w.add_size_label("2M")
    w.add_context_length(131_072)
    w.add_embedding_length(s.width)
    w.add_block_count(s.layers)
    w.add_feed_forward_length(s.ff)
    w.add_expert_feed_forward_length(s.ff)
    w.add_head_count(s.heads)
    w.add_head_count_kv(s.kv_heads)
    w.add_key_length(s.head)
    w.add_value_length(s.head)
    w.add_rope_dimension_count(s.head)
    w.add_layer_norm_rms_eps(s.eps)
    w.add_expert_count(s.experts)
    w.add_expert_used_count(s.active)
    w.add_sliding_window(s.window)
    w.add_rope_freq_base(s.rope_base)
    w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    w.add_rope_scaling_factor(s.rope_factor)
    w.add_rope_scaling_orig_ctx_len(s.rope_original)
    w.add_file_type(FILE_TYPE_MXFP4)


def write_vocabulary(w: gguf.GGUFWriter, v: Vocabulary) -> None:
    """Tokens, merges, the special ids and the chat template."""
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-4o")
    w.add_token_list([*v.tokens, *v.specials])
    w.add_token_merges([f"{a} {b}" for a, b in v.merges])
    w.add_token_types([NORMAL] * len(v.tokens) + [CONTROL] * len(v.specials))
    w.add_bos_token_id(v.ids["<|startoftext|>"])
    w.add_eos_token_id(v.ids["<|return|>"])
    w.add_pad_token_id(v.ids["<|endoftext|>"])
    w.add_add_bos_token(False)
    w.add_chat_template((FOLDER / "template.jinja").read_text("utf-8"))


def write(model: Model, vocabulary: Vocabulary, path: Path) -> None:
    """Write the GGUF and its checksum."""
    part = path.with_suffix(".part")
    w = gguf.GGUFWriter(part, "gpt-oss")
    write_shape(w, model.shape)
    write_vocabulary(w, vocabulary)
    for name, weight, quant in tensors(model):
        data = weight.detach().numpy().astype(np.float32)
        stored = data if quant == Quant.F32 else gguf.quants.quantize(data, quant)
        w.add_tensor(name, stored, raw_dtype=quant)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    part.rename(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    Path(f"{path}.sha256").write_text(f"{digest}  {path.name}\n", "ascii")


def main() -> None:
    """Export the checkpoint of a run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("gguf", type=Path)
    args = parser.parse_args()
    write(*load(args.run), args.gguf)
    print(f"{args.gguf}: {args.gguf.stat().st_size} bytes")


if __name__ == "__main__":
    main()
