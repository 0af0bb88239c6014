"""The facts of a loaded model, as its worker tells them, for whoever lists models."""

from dataclasses import replace

from server.core.ports import ModelCard
from server.worker.embedding.messages import EmbedderLoaded
from server.worker.messages import Loaded


def card_of(loaded: Loaded | EmbedderLoaded) -> ModelCard:
    card = ModelCard(
        architecture=loaded.architecture,
        description=loaded.description,
        context_length=loaded.context_length,
        training_context_length=loaded.training_context_length,
        parameters=loaded.parameters,
        size_bytes=loaded.size_bytes,
        slots=1,
        vocabulary_size=0,
        unclaimed_bytes=loaded.unclaimed_bytes,
    )
    if isinstance(loaded, Loaded):
        return replace(card, slots=loaded.slots, vocabulary_size=len(loaded.tokens))
    return replace(
        card,
        vocabulary_size=loaded.vocabulary_size,
        embedding_length=loaded.width,
        extra={"pooling": loaded.pooling},
    )
