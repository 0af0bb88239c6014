"""A GGUF in memory: its weights, where they lie and its facts. Knows no context and no requests."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import llama_cpp.llama_cpp as llama

from server.worker.embedding.messages import EmbedderOptions
from server.worker.messages import ModelOptions
from server.worker.runtime import library, memory
from server.worker.runtime.placement import GIB, Shape, fitting_layers, repacks

T = TypeVar("T")
ALL_LAYERS = -1
AUTO_LAYERS = -2
# gpt-oss attends to a window in every second layer; its files do not say so.
HALF_SLIDING = ("gpt-oss",)


class ModelError(Exception):
    """The model cannot be loaded; the text is one sentence with llama.cpp's reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What was decided before the load; `notes` say why, for an operator."""

    gpu_layers: int
    repack: bool
    notes: tuple[str, ...]


class Model:
    """A loaded model. `pointer` and `vocab` are llama.cpp's; `gpu_layers` counts the layers that
    are on a graphics card.
    """

    def __init__(self, pointer: Any, gpu_layers: int) -> None:
        self.pointer = pointer
        self.vocab = llama.llama_model_get_vocab(pointer)
        self.vocabulary_size: int = llama.llama_vocab_n_tokens(self.vocab)
        self.layers: int = llama.llama_model_n_layer(pointer)
        self.heads: int = llama.llama_model_n_head(pointer)
        # llama.cpp counts the output as one more layer.
        wanted = self.layers if gpu_layers == ALL_LAYERS else gpu_layers
        self.gpu_layers: int = min(wanted, self.layers)
        self.training_context_length: int = llama.llama_model_n_ctx_train(pointer)
        self.sliding_window: int = max(llama.llama_model_n_swa(pointer), 0)
        self.parameters: int = llama.llama_model_n_params(pointer)
        self.size_bytes: int = llama.llama_model_size(pointer)
        self.architecture = self.text("general.architecture")

    @property
    def on_cpu(self) -> bool:
        """Whether no layer is on a graphics card."""
        return self.gpu_layers == 0

    @property
    def description(self) -> str:
        """llama.cpp's own: family, size and quantisation."""
        buffer = ctypes.create_string_buffer(256)
        llama.llama_model_desc(self.pointer, buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def text(self, key: str) -> str:
        """A value of the file's metadata as text; empty where there is none."""
        buffer = ctypes.create_string_buffer(256)
        llama.llama_model_meta_val_str(self.pointer, key.encode(), buffer, len(buffer))
        return buffer.value.decode(errors="replace")

    def number(self, key: str) -> int:
        """A value under the architecture's prefix; 0 where there is none."""
        text = self.text(f"{self.architecture}.{key}")
        return int(text) if text.isdigit() else 0

    def shape(self) -> Shape:
        heads = llama.llama_model_n_head_kv(self.pointer)
        width = llama.llama_model_n_embd(self.pointer)
        head_width = width // max(self.heads, 1)
        key = self.number("attention.key_length") or head_width
        value = self.number("attention.value_length") or head_width
        experts = 3 * self.number("expert_count") * self.number("expert_feed_forward_length")
        return Shape(
            weight_bytes=self.size_bytes,
            layers=self.layers,
            expert_share=min(experts * width * self.layers / max(self.parameters, 1), 1.0),
            kv_bytes_per_cell=2 * heads * (key + value),
            sliding_layers=self.layers // 2 if self.architecture in HALF_SLIDING else 0,
            sliding_window=self.sliding_window,
        )

    def close(self) -> None:
        llama.llama_model_free(self.pointer)


class ModelFile:
    """A GGUF on disk, before it is loaded. Errors of every method: ModelError."""

    def __init__(self, path: str, log: library.Log) -> None:
        self.path = path
        self._log = log
        if not Path(path).is_file():
            raise ModelError(f"There is no model file at {path}.")

    def shape(self) -> tuple[Shape, int]:
        """The model's shape and its training context, read without loading the weights."""
        return self.glance(lambda model: (model.shape(), model.training_context_length))

    def glance(self, look: Callable[[Model], T]) -> T:
        """What `look` finds in the model, whose weights are not there."""
        params = llama.llama_model_default_params()
        params.no_alloc = True
        params.load_mode = llama.LLAMA_LOAD_MODE_NONE
        params.use_extra_bufts = False
        with self._log.quiet():
            model = Model(self._load(params), 0)
        try:
            return look(model)
        finally:
            model.close()

    def load(
        self, placement: Placement, cpu_moe_layers: int, progress: Callable[[float], None]
    ) -> Model:
        """Load the weights; `progress` hears fractions from 0 to 1."""

        def report(fraction: float, _data: object) -> bool:
            progress(fraction)
            return True

        params = llama.llama_model_default_params()
        params.load_mode = llama.LLAMA_LOAD_MODE_AUTO
        params.n_gpu_layers = placement.gpu_layers
        params.use_extra_bufts = placement.repack
        params.progress_callback = llama.llama_progress_callback(report)
        overrides = library.experts_on_cpu(cpu_moe_layers)
        if overrides is not None:
            params.tensor_buft_overrides = ctypes.addressof(overrides)
        return Model(self._load(params), placement.gpu_layers)

    def _load(self, params: Any) -> Any:
        self._log.reasons()
        pointer = llama.llama_model_load_from_file(self.path.encode(), params)
        if not pointer:
            raise ModelError(_refused(self.path, self._log.reasons()))
        return pointer


def place(options: ModelOptions | EmbedderOptions, shape: Shape, kv_bytes: int) -> Placement:
    """Decide what goes where on this machine."""
    gpu_layers, notes = _gpu_layers(options, shape, kv_bytes)
    if gpu_layers == ALL_LAYERS and not options.cpu_moe_layers:
        return Placement(gpu_layers=gpu_layers, repack=True, notes=(notes,))
    available = memory.available_bytes()
    repack, reason = repacks(options.weight_repack, shape.weight_bytes, kv_bytes, available)
    return Placement(gpu_layers=gpu_layers, repack=repack, notes=(notes, reason))


def _gpu_layers(
    options: ModelOptions | EmbedderOptions, shape: Shape, kv_bytes: int
) -> tuple[int, str]:
    cards = library.gpus()
    if not cards:
        return 0, "No graphics card is usable: everything runs on the CPU."
    names = ", ".join(card.name for card in cards)
    wanted = options.gpu_layers
    if wanted != AUTO_LAYERS:
        count = "All" if wanted == ALL_LAYERS else f"{wanted} of {shape.layers}"
        return wanted, f"{count} layers go to the graphics card ({names}), as configured."
    free = sum(card.free for card in cards)
    wanted = fitting_layers(shape, free, kv_bytes, options.cpu_moe_layers)
    count = "All" if wanted == ALL_LAYERS else f"{min(wanted, shape.layers)} of {shape.layers}"
    return (
        wanted,
        f"{count} layers fit into {free / GIB:.1f} GiB free on the graphics card ({names}).",
    )


def _refused(path: str, reasons: list[str]) -> str:
    # llama.cpp ends with a line that only repeats that it failed.
    telling = [reason for reason in reasons if reason != "failed to load model"]
    reason = "; ".join(telling) or "it gave no reason"
    return (
        f"llama.cpp cannot load the model file {path}: {reason.rstrip('.')}; download it again, or"
        " take another model or quantisation."
    )
