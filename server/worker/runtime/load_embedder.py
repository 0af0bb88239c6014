"""From options to a model that makes embeddings: refuses files that are meant for something else,
loads, tries one text, and describes the outcome for the gateway.
"""

from collections.abc import Callable
from dataclasses import dataclass

from server.worker.embedding.gate import EmbeddingLimits
from server.worker.embedding.jobs import BatchLimits
from server.worker.embedding.messages import EmbedderLoaded, EmbedderOptions
from server.worker.embedding.ports import Passage
from server.worker.ports import DecodeFailed
from server.worker.runtime.embedder import (
    BATCH_PASSAGES,
    POOLINGS,
    LlamaEmbedder,
    find_pooling,
)
from server.worker.runtime.library import Log
from server.worker.runtime.load import fitting_context
from server.worker.runtime.model import Model, ModelError, ModelFile, place

# Of a text, so much is read for each token of the context, within these bounds.
TEXT_BYTES_PER_TOKEN = 32
LEAST_TEXT_BYTES = 1 << 16
MOST_TEXT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderRuntime:
    """A model ready to make embeddings. `loaded` describes it."""

    model: Model
    runner: LlamaEmbedder
    loaded: EmbedderLoaded

    @property
    def text_bytes(self) -> int:
        """How much of a text is read."""
        wanted = TEXT_BYTES_PER_TOKEN * self.loaded.context_length
        return min(max(wanted, LEAST_TEXT_BYTES), MOST_TEXT_BYTES)

    def limits(self, queue_limit: int) -> EmbeddingLimits:
        return EmbeddingLimits(
            queue_limit=queue_limit,
            vocabulary_size=self.loaded.vocabulary_size,
            width=self.loaded.width,
            text_bytes=self.text_bytes,
        )

    def batches(self) -> BatchLimits:
        return BatchLimits(
            context_length=self.loaded.context_length,
            tokens=self.runner.batch_tokens,
            passages=BATCH_PASSAGES,
            text_bytes=self.text_bytes,
            width=self.loaded.width,
        )

    def close(self) -> None:
        """Free everything, in the order llama.cpp needs."""
        self.runner.close()
        self.model.close()


def load_embedder(
    options: EmbedderOptions, log: Log, progress: Callable[[float], None]
) -> EmbedderRuntime:
    """Load the model and embed a text with it. Errors: ModelError."""
    file = ModelFile(options.path, log)
    pooling, assumed = file.glance(lambda model: find_pooling(model, options.path))
    shape, trained = file.shape()
    context_length, cut = fitting_context(options.context_length, trained)
    placement = place(options, shape, shape.kv_bytes(context_length, 1, context_length))
    model = file.load(placement, options.cpu_moe_layers, progress)
    runner = LlamaEmbedder(
        model, log, pooling=pooling, context_length=context_length, threads=options.threads
    )
    _try_one_text(runner, options.path)
    loaded = EmbedderLoaded(
        architecture=model.architecture,
        description=model.description,
        context_length=context_length,
        training_context_length=trained,
        parameters=model.parameters,
        size_bytes=model.size_bytes,
        width=runner.width,
        pooling=POOLINGS[pooling],
        vocabulary_size=model.vocabulary_size,
        notes=[*assumed, *cut, *placement.notes],
        unclaimed_bytes=0 if placement.repack else model.size_bytes,
    )
    return EmbedderRuntime(model=model, runner=runner, loaded=loaded)


def _try_one_text(runner: LlamaEmbedder, path: str) -> None:
    # As with a model that writes: what only fails when computing fails here.
    tokens = runner.tokenize("a") or [0]
    try:
        runner.embed([Passage(0, 0, tokens, runner.width)])
    except DecodeFailed as error:
        raise ModelError(f"The model file {path} loads but does not compute: {error}") from error
