"""What is known of a model from its file alone: its card, and the memory that it will need.

Loads nothing; what really is there is decided by the worker.
"""

from functools import cached_property
from pathlib import Path

from server.core.ports import ModelCard
from server.formats.choice import abilities_of
from server.hub.parts import part_names
from server.model_files.head import Head, read_head
from server.settings.machine import has_graphics_card
from server.worker.embedding.messages import EmbedderOptions
from server.worker.messages import ModelOptions
from server.worker.runtime.placement import MIB, Shape

# A worker without its model, and what it computes in.
WORKER_BYTES = 256 * MIB
# How many tokens are computed at once, about.
UNIT_TOKENS = 512
BYTES_PER_NUMBER = 2
# llama.cpp's names for the types that whole files are of.
_FILE_TYPES = {
    0: "F32",
    1: "F16",
    2: "Q4_0",
    3: "Q4_1",
    7: "Q8_0",
    8: "Q5_0",
    9: "Q5_1",
    10: "Q2_K",
    11: "Q3_K_S",
    12: "Q3_K_M",
    13: "Q3_K_L",
    14: "Q4_K_S",
    15: "Q4_K_M",
    16: "Q5_K_S",
    17: "Q5_K_M",
    18: "Q6_K",
    32: "BF16",
    38: "MXFP4",
}


class ModelFacts:
    """A model's file, of which its other parts, if it has any, are found by their names. Errors of
    every method: ValueError, OSError.
    """

    def __init__(self, path: Path, options: ModelOptions | EmbedderOptions) -> None:
        self._path = path
        self._options = options

    @cached_property
    def _heads(self) -> list[Head]:
        return [read_head(part) for part in parts_of(self._path)]

    @property
    def _family(self) -> str:
        return self._heads[0].text("general.architecture")

    def _number(self, key: str) -> int:
        return self._heads[0].number(f"{self._family}.{key}")

    @property
    def context_length(self) -> int:
        trained = self._number("context_length")
        return min(self._options.context_length, trained or self._options.context_length)

    @property
    def slots(self) -> int:
        return self._options.slots if isinstance(self._options, ModelOptions) else 1

    def card(self) -> ModelCard:
        head = self._heads[0]
        makes_vectors = isinstance(self._options, EmbedderOptions)
        return ModelCard(
            architecture=self._family,
            description=self._description(),
            context_length=self.context_length,
            training_context_length=self._number("context_length"),
            parameters=sum(each.parameters for each in self._heads),
            size_bytes=weight_bytes(self._path),
            slots=self.slots,
            vocabulary_size=head.lengths.get("tokenizer.ggml.tokens", 0),
            embedding_length=self._number("embedding_length") if makes_vectors else 0,
            abilities=abilities_of(self._family, head.text("tokenizer.chat_template")),
        )

    def needed_bytes(self) -> int:
        """Of main memory: the weights, the KV cache, computed prompts, and the worker itself; the
        layers that are computed on a graphics card are kept there.
        """
        options, shape = self._options, self._shape()
        prompts = options.prefixes.memory_bytes if isinstance(options, ModelOptions) else 0
        kv_bytes = shape.kv_bytes(self.context_length, self.slots, UNIT_TOKENS)
        here = (shape.weight_bytes + kv_bytes) * self._layers_here(shape.layers)
        return WORKER_BYTES + max(prompts, 0) + int(here)

    def _layers_here(self, layers: int) -> float:
        """The share of the layers that the CPU computes. How many fit on a card is not known."""
        on_card = self._options.gpu_layers
        if on_card == 0 or not has_graphics_card():
            return 1.0
        rest = max(layers - on_card, 0) if on_card > 0 else 0
        experts = min(self._options.cpu_moe_layers, layers)
        return max(rest, experts) / max(layers, 1)

    def _shape(self) -> Shape:
        heads = max(self._number("attention.head_count"), 1)
        head_width = self._number("embedding_length") // heads
        key = self._number("attention.key_length") or head_width
        value = self._number("attention.value_length") or head_width
        layers = self._number("block_count")
        window = self._number("attention.sliding_window")
        return Shape(
            weight_bytes=weight_bytes(self._path),
            layers=layers,
            expert_share=0.0,
            kv_bytes_per_cell=BYTES_PER_NUMBER * self._kv_heads(heads) * (key + value),
            sliding_layers=layers // 2 if self._family == "gpt-oss" else 0,
            sliding_window=window,
        )

    def _kv_heads(self, heads: int) -> int:
        return self._number("attention.head_count_kv") or heads

    def _description(self) -> str:
        head = self._heads[0]
        size = head.text("general.size_label")
        kind = head.values.get("general.file_type")
        quantisation = _FILE_TYPES.get(kind, "") if isinstance(kind, int) else ""
        return " ".join(word for word in (self._family, size, quantisation) if word)


def makes_vectors(path: Path) -> bool:
    """Whether a model is one for embeddings: those say how to pool. Errors: ValueError, OSError."""
    head = read_head(path)
    return head.number(f"{head.text('general.architecture')}.pooling_type") > 0


def weight_bytes(path: Path) -> int:
    """The size of all parts. Errors: OSError."""
    return sum(part.stat().st_size for part in parts_of(path))


def parts_of(path: Path) -> list[Path]:
    """The files of a model, of which `path` is one."""
    return [path.with_name(name) for name in part_names(path.name)]
