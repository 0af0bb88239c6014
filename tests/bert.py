"""A small BERT with random weights: as a GGUF for llama.cpp, and computed anew with numpy to check
what llama.cpp makes of it.
"""

import string
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, PoolingType, TokenType
from numpy.typing import NDArray

from server.worker.embedding.messages import EmbedderOptions

Array = NDArray[np.float32]
WORD_START = "\u2581"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNKNOWN, CLS, SEP, MASK = range(len(SPECIAL))
WORDS = ("the", "cat", "dog", "sat", "mat", "on", "river", "bank", "money", "is", "привет", "мир")
EPSILON = 1e-12
TENSOR_NAMES = {
    "attention": ("attn_q", "attn_k", "attn_v", "attn_output"),
    "norms": ("attn_output_norm", "layer_output_norm"),
}


def vocabulary() -> list[str]:
    """Whole words, and every letter, digit and mark at a word's beginning and within."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    letters += "абвгдежзийклмнопрстуфхцчшщъыьэюя"
    starts = [WORD_START + text for text in (*WORDS, *letters)]
    return [*SPECIAL, *starts, *letters]


@dataclass(frozen=True)
class Bert:
    """Shape and weights. Matrices are [out, in]; `context` is the longest input in tokens."""

    seed: int = 0
    width: int = 32
    heads: int = 4
    layers: int = 2
    inner: int = 64
    context: int = 512
    weights: dict[str, Array] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)

        def draw(name: str, *shape: int, around: float = 0.0, spread: float = 1.0) -> None:
            values = around + spread * random.standard_normal(shape)
            self.weights[name] = values.astype(np.float32)

        def norm(name: str) -> None:
            draw(f"{name}.weight", self.width, around=1.0, spread=0.1)
            draw(f"{name}.bias", self.width, spread=0.1)

        draw("token_embd.weight", len(vocabulary()), self.width)
        draw("token_types.weight", 2, self.width, spread=0.1)
        draw("position_embd.weight", self.context, self.width, spread=0.5)
        norm("token_embd_norm")
        for layer in range(self.layers):
            shapes = dict.fromkeys(TENSOR_NAMES["attention"], (self.width, self.width))
            shapes |= {"ffn_up": (self.inner, self.width), "ffn_down": (self.width, self.inner)}
            for name, (out, into) in shapes.items():
                draw(f"blk.{layer}.{name}.weight", out, into, spread=1.5 / sqrt(into))
                draw(f"blk.{layer}.{name}.bias", out, spread=0.2)
            for name in TENSOR_NAMES["norms"]:
                norm(f"blk.{layer}.{name}")

    def vectors(self, tokens: list[int]) -> Array:
        """The last layer's output, [len(tokens), width]."""
        w = self.weights
        state = w["token_embd.weight"][tokens] + w["position_embd.weight"][: len(tokens)]
        state = self._norm(state + w["token_types.weight"][0], "token_embd_norm")
        for layer in range(self.layers):
            block = f"blk.{layer}"
            state = self._norm(state + self._attend(state, block), f"{block}.attn_output_norm")
            inner = _gelu(self._linear(state, f"{block}.ffn_up"))
            state = state + self._linear(inner, f"{block}.ffn_down")
            state = self._norm(state, f"{block}.layer_output_norm")
        return state

    def embed(self, tokens: list[int], pooling: PoolingType) -> Array:
        """The pooled vector, of length 1."""
        states = self.vectors(tokens)
        rows = {PoolingType.MEAN: states.mean(axis=0), PoolingType.CLS: states[0]}
        rows[PoolingType.LAST] = states[-1]
        vector: Array = rows[pooling]
        return vector / np.linalg.norm(vector)

    def write(self, path: Path, pooling: PoolingType | None, *, causal: bool = False) -> Path:
        writer = GGUFWriter(path, "bert")
        writer.add_context_length(self.context)
        writer.add_embedding_length(self.width)
        writer.add_feed_forward_length(self.inner)
        writer.add_block_count(self.layers)
        writer.add_head_count(self.heads)
        writer.add_layer_norm_eps(EPSILON)
        writer.add_causal_attention(causal)
        if pooling is not None:
            writer.add_pooling_type(pooling)
        _write_vocabulary(writer)
        for name, values in self.weights.items():
            writer.add_tensor(name, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def _attend(self, state: Array, block: str) -> Array:
        q, k, v = (self._split(self._linear(state, f"{block}.attn_{name}")) for name in "qkv")
        scores = q @ k.transpose(0, 2, 1) / sqrt(self.width // self.heads)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = scores / scores.sum(axis=-1, keepdims=True) @ v
        return self._linear(mixed.transpose(1, 0, 2).reshape(state.shape), f"{block}.attn_output")

    def _split(self, values: Array) -> Array:
        """[tokens, width] -> [heads, tokens, width of a head]."""
        return values.reshape(len(values), self.heads, -1).transpose(1, 0, 2)

    def _linear(self, values: Array, name: str) -> Array:
        return values @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, values: Array, name: str) -> Array:
        centred = values - values.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPSILON)
        return centred / spread * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def word_ids(*words: str) -> list[int]:
    """The tokens of a text of these known words, with the marks of its beginning and end."""
    known = vocabulary()
    return [CLS, *(known.index(WORD_START + word) for word in words), SEP]


def _gelu(values: Array) -> Array:
    return 0.5 * values * (1 + np.tanh(sqrt(2 / np.pi) * (values + 0.044715 * values**3)))


def _write_vocabulary(writer: GGUFWriter) -> None:
    tokens = vocabulary()
    special, plain = len(SPECIAL), len(tokens) - len(SPECIAL)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL] * special + [TokenType.NORMAL] * plain)
    writer.add_token_type_count(2)
    writer.add_bos_token_id(CLS)
    writer.add_eos_token_id(SEP)
    writer.add_sep_token_id(SEP)
    writer.add_pad_token_id(PAD)
    writer.add_unk_token_id(UNKNOWN)
    writer.add_mask_token_id(MASK)


def embedder_options(path: Path, **more: object) -> EmbedderOptions:
    """How the tests' workers load such a file."""
    values: dict[str, object] = {
        "path": str(path),
        "context_length": 512,
        "threads": 1,
        "gpu_layers": 0,
        "weight_repack": "off",
        "queue_limit": 4,
    }
    return EmbedderOptions(**values | more)
