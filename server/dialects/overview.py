"""What the service says of itself at `/` and `/health`, for readers of several systems at once.

Knows neither engines nor settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from server.core.ports import EngineState
from server.dialects.openai_models import DEMONSTRATION_NOTE, ListedModel

HealthText: TypeAlias = Literal["ok", "healthy"]

MESSAGE = "gpt-api is running"
ENDPOINTS: Mapping[str, str] = {
    "chat": "/chat",
    "chat_with_model": "/chat/{model_name}",
    "chat_litellm": "/v1/chat/completions",
    "completions": "/v1/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
    "embeddings": "/v1/embeddings",
    "health": "/health",
    "models": "/models",
    "ollama": "/api",
    "docs": "/docs",
}
# The state of the default model's engine -> the word for it.
_WORDS: Mapping[EngineState, str] = {
    "ready": "ok",
    "stopped": "loading",
    "unloaded": "loading",
    "loading": "loading",
    "restarting": "loading",
    "failed": "error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The service: its models under every name that is told, the state of the default one, and its
    address as the client knows it. `health_text` is the word for a service that can answer.
    """

    version: str
    url: str
    default_model: str
    state: EngineState
    detail: str
    models: Sequence[ListedModel]
    health_text: HealthText = "ok"
    states: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return self.state == "ready"


def root_object(overview: Overview) -> dict[str, Any]:
    """What `/` says."""
    issues = [] if overview.ready else [overview.detail or f"the model is {overview.state}"]
    return {
        "status": "ok" if overview.ready else "degraded",
        "message": MESSAGE,
        "issues": issues,
        "version": overview.version,
        "default_model": overview.default_model,
        "available_models": {model.id: _described(model) for model in overview.models},
        "ollama_url": overview.url,
        "endpoints": ENDPOINTS,
    }


def health_object(overview: Overview) -> dict[str, Any]:
    """What `/health` says."""
    return {
        "status": overview.health_text if overview.ready else _WORDS[overview.state],
        "model": overview.default_model,
        "default_model": overview.default_model,
        "available_models": [model.id for model in overview.models],
        "ollama_service": "up" if overview.ready else "down",
        "litellm_enabled": True,
        "models": overview.states,
    }


def _described(model: ListedModel) -> dict[str, str]:
    """`litellm_name` is what LiteLLM is to be told; its base URL is this server's with /v1."""
    demonstrates = model.card is not None and model.card.demonstration
    description = model.description or "not loaded yet"
    return {
        "name": model.id,
        "description": DEMONSTRATION_NOTE if demonstrates else description,
        "provider": model.owner,
        "litellm_name": f"openai/{model.id}",
    }
