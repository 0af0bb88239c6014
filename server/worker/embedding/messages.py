"""The frames between the gateway and a worker that makes embeddings.

Text crosses here, and only here: llama.cpp's own tokeniser decides what a model reads, and it may
end its process, which must not be the gateway's.
"""

from typing import Literal

from server.worker.messages import Frame


class EmbedderOptions(Frame, frozen=True, kw_only=True):
    """How the worker loads its model; the meanings are those of `ModelOptions`. `context_length` is
    the longest input.
    """

    path: str
    context_length: int
    threads: int
    gpu_layers: int
    weight_repack: Literal["auto", "on", "off"]
    queue_limit: int
    cpu_moe_layers: int = 0


class Embed(Frame, frozen=True, kw_only=True):
    """Make a vector of each input: a text, or the model's own token ids as they are. `width`: only
    so many of a vector's first numbers, None for all. With `truncate` the end of what is too long
    is not read; without it the request is refused.
    """

    id: int
    inputs: list[str | list[int]]
    width: int | None = None
    truncate: bool = False


class EmbedderLoaded(Frame, frozen=True, kw_only=True):
    """The model is in memory and answers. `width`: numbers in a vector; `pooling`: how the tokens'
    vectors become one, `mean`, `cls` or `last`. `context_length`: the longest input, in tokens.
    `unclaimed_bytes`: see `core.ports.ModelCard`.
    """

    architecture: str
    description: str
    context_length: int
    training_context_length: int
    parameters: int
    size_bytes: int
    width: int
    pooling: str
    vocabulary_size: int
    notes: list[str]
    unclaimed_bytes: int = 0


class Embedded(Frame, frozen=True, kw_only=True):
    """The vectors of request `id` in order, each as little-endian float32 of length 1, and how many
    tokens each input had. A request that is `Refused` or `EmbedFailed` gets none.
    """

    id: int
    vectors: list[bytes]
    tokens: list[int]


class EmbedFailed(Frame, frozen=True, kw_only=True):
    """Request `id` was accepted and could not be computed."""

    id: int
    message: str
