"""Where the weights go: how many layers on the graphics card, and whether the CPU's are copied into
a faster layout. Pure arithmetic over sizes.
"""

from dataclasses import dataclass
from typing import Literal

MIB = 1 << 20
GIB = 1 << 30
# Left free on a card for the compute buffers and for what else uses it.
GPU_MARGIN = GIB
# Left free in main memory beside weights and KV cache.
SPARE = 2 * GIB
# For computed prompts, where no size is configured: a share of what is free, within reason.
SNAPSHOT_SHARE = 4
MOST_SNAPSHOT_BYTES = 2 * GIB
# What llama.cpp pads a sliding window's cells to, beyond the window itself and one batch.
CELL_PADDING = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of a model decides about memory. `expert_share` is the experts' part of the weights, 0
    without experts; `sliding_layers` attend to `sliding_window` tokens only.
    """

    weight_bytes: int
    layers: int
    expert_share: float
    kv_bytes_per_cell: int
    sliding_layers: int
    sliding_window: int

    def kv_bytes(self, context_length: int, slots: int, unit_tokens: int) -> int:
        """The KV cache of `slots` sequences, in bytes. A sliding window needs room for what is
        computed at once, `unit_tokens`.
        """
        window = min(padded(self.sliding_window + unit_tokens), context_length)
        full = self.layers - self.sliding_layers
        cells = full * context_length + self.sliding_layers * window
        return slots * cells * self.kv_bytes_per_cell


def padded(cells: int) -> int:
    """The next multiple of what llama.cpp rounds a sequence's cells up to."""
    return -(-cells // CELL_PADDING) * CELL_PADDING


def fitting_layers(shape: Shape, free_bytes: int, kv_bytes: int, cpu_moe_layers: int) -> int:
    """How many layers fit on cards with so many bytes free: -1 for all, the output layer included.

    llama.cpp fills the card from the last layer back; the experts of the first `cpu_moe_layers`
    stay in main memory.
    """
    left = free_bytes - GPU_MARGIN
    # The embedding stays in main memory; counting it as a layer of the others' size is safe.
    layer_bytes = shape.weight_bytes / (shape.layers + 1)
    kv_layer_bytes = kv_bytes / shape.layers
    left -= int(layer_bytes)
    fitting = 1 if left >= 0 else 0
    for layer in reversed(range(shape.layers)):
        weights = layer_bytes * (1 - shape.expert_share * (layer < cpu_moe_layers))
        left -= int(weights + kv_layer_bytes)
        if left < 0:
            return fitting
        fitting += 1
    return -1


def repacks(
    choice: Literal["auto", "on", "off"],
    weight_bytes: int,
    kv_bytes: int,
    available_bytes: int | None,
) -> tuple[bool, str]:
    """Whether the CPU's weights are copied into llama.cpp's interleaved layout, and why, in a
    sentence. The copy makes prompts about 40 % faster and costs as much memory as the weights.
    """
    if choice != "auto":
        return choice == "on", f"Weight repacking is {choice}, as configured."
    if available_bytes is None:
        return False, "Weight repacking is off: the system does not say how much memory is free."
    needed = weight_bytes + kv_bytes + SPARE
    sizes = f"{needed / GIB:.1f} GiB needed, {available_bytes / GIB:.1f} GiB available"
    if needed <= available_bytes:
        return True, f"Weight repacking is on, for faster prompts: there is memory ({sizes})."
    return False, f"Weight repacking is off, for the copy would leave too little memory ({sizes})."


def snapshot_budget(asked: int, available_bytes: int | None, paged_bytes: int) -> tuple[int, str]:
    """Bytes of memory for computed prompts, and why so many, in a sentence: as asked, or for -1 a
    share of what is free once the weights that are read through the page cache are there.
    """
    if asked == 0:
        return 0, "Computed prompts are not kept, as configured."
    if asked > 0:
        return asked, f"Computed prompts are kept in up to {asked // MIB} MiB, as configured."
    if available_bytes is None:
        return 0, "Computed prompts are not kept: the system does not say how much memory is free."
    free = max(available_bytes - paged_bytes, 0)
    budget = min(free // SNAPSHOT_SHARE, MOST_SNAPSHOT_BYTES)
    return budget, f"Computed prompts are kept in up to {budget // MIB} MiB of {free // MIB} free."
