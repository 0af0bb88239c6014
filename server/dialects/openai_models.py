"""OpenAI's words for the served models. Knows neither where they come from nor their engines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from server.core.ports import ModelCard

DEMONSTRATION_NOTE = (
    "This is the bundled demonstration model: it shows that the server works and knows nothing."
    " Install gpt-oss-20b for real answers."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What the operator says of a model."""

    description: str | None = None
    huggingface_repo: str | None = None
    dtype: str | None = None
    default_device: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A model under the name it is listed by. `card` is None until the model's facts are known;
    `capabilities` are what it may be asked for; `owner` runs it.
    """

    id: str
    served_name: str
    created: int
    card: ModelCard | None
    capabilities: tuple[str, ...] = ("chat",)
    owner: str = "gpt-api"
    metadata: Metadata = Metadata()

    @property
    def description(self) -> str | None:
        """The operator's words, or those of the model's file."""
        return self.metadata.description or (self.card.description if self.card else None)


def model_body(model: ListedModel) -> bytes:
    """One model, with everything that is known of it."""
    return msgspec.json.encode(_model_object(model) | {"metadata": _metadata(model)})


def models_body(models: Sequence[ListedModel], more: Mapping[str, Any] | None = None) -> bytes:
    """The list; `more` is what other systems' clients look for beside it."""
    data = [_model_object(model) for model in models]
    return msgspec.json.encode({"object": "list", "data": data, **(more or {})})


def _model_object(model: ListedModel) -> dict[str, Any]:
    listed: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
        "root": model.served_name,
        "capabilities": model.capabilities,
    }
    if model.card is not None:
        if model.card.context_length:
            listed["context_length"] = model.card.context_length
        listed["meta"] = _meta(model.card)
    return listed


def _metadata(model: ListedModel) -> dict[str, Any]:
    return {
        "description": model.description,
        "huggingface_repo": model.metadata.huggingface_repo,
        "max_context_tokens": (model.card.context_length or None) if model.card else None,
        "dtype": model.metadata.dtype,
        "default_device": model.metadata.default_device,
    }


def _meta(card: ModelCard) -> dict[str, Any]:
    """What is known of it."""
    facts: dict[str, Any] = {
        "architecture": card.architecture,
        "description": card.description,
        "context_length": card.context_length,
        "training_context_length": card.training_context_length,
        "parameters": card.parameters,
        "size_bytes": card.size_bytes,
        "vocabulary_size": card.vocabulary_size,
        "slots": card.slots,
        "demonstration": card.demonstration,
    }
    meta = {name: value for name, value in facts.items() if value or value is False}
    if card.embedding_length:
        meta["embedding_length"] = card.embedding_length
    meta |= card.extra
    if card.demonstration:
        meta["note"] = DEMONSTRATION_NOTE
    return meta
