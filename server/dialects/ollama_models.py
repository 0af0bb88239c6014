"""Ollama's words for the served models, and what their names mean in its habits.

Knows neither where models come from nor their engines.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import msgspec

from server.core.ports import ModelCard
from server.dialects.ollama_reply import time_text

# Clients ask for a least version of Ollama: this is the one whose interface this is.
OLLAMA_VERSION = "0.33.0"
GREETING = "Ollama is running"
LATEST = ":latest"
CAPABILITIES = ("completion", "tools", "thinking")
COMPLETION = ("completion",)
EMBEDDING = ("embedding",)
# JSON has no word for never.
NEVER = datetime(2318, 1, 1, tzinfo=timezone.utc)

_PREFIXES = ("registry.ollama.ai/", "library/")
_QUANTISATION = re.compile(r"\b(MXFP4|NVFP4|I?Q\d\w*|T?Q\d\w*|BF16|F16|F32)\b")
# What Ollama calls an architecture that llama.cpp calls otherwise.
_FAMILIES = {"gpt-oss": "gptoss"}
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaModel:
    """A model under one of its names. `created` is Unix time in seconds; `card` is None until its
    facts are known. `expires_at`: when it is unloaded if nobody asks; None: never.
    """

    name: str
    served_name: str
    created: int
    card: ModelCard | None
    capabilities: tuple[str, ...] = CAPABILITIES
    expires_at: datetime | None = None


def capabilities(card: ModelCard | None) -> tuple[str, ...]:
    """What a model that writes can do; before it was loaded, what most of them can."""
    if card is None:
        return CAPABILITIES
    return ("completion", *(each for each in card.abilities if each != "chat"))


def candidates(name: str) -> tuple[str, ...]:
    """The names that a client may mean, the likeliest first."""
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return (name, name.removesuffix(LATEST)) if name.endswith(LATEST) else (name, name + LATEST)


def listed_names(name: str, aliases: Sequence[str], copies: Sequence[str] = ()) -> tuple[str, ...]:
    """The names to list a model under, all with a tag: its own, those of its aliases that have one
    of their own, and its copies.
    """
    tagged = [alias for alias in aliases if ":" in alias and not alias.endswith(LATEST)]
    names = [each if ":" in each else each + LATEST for each in (name, *tagged, *copies)]
    return tuple(dict.fromkeys(names))


def version_body(version: str) -> bytes:
    """`version` is this server's own."""
    return msgspec.json.encode({"version": OLLAMA_VERSION, "gpt_api_version": version})


def tags_body(models: Sequence[OllamaModel]) -> bytes:
    """The models there are."""
    return msgspec.json.encode({"models": tag_objects(models)})


def tag_objects(models: Sequence[OllamaModel]) -> list[dict[str, Any]]:
    """One a model."""
    return [
        _identity(model)
        | {
            "modified_at": _modified_at(model),
            "details": _details(model.card),
            "capabilities": model.capabilities,
        }
        for model in models
    ]


def ps_body(models: Sequence[OllamaModel]) -> bytes:
    """The loaded models. How much of one lies on a graphics card is not known here: `size_vram` is
    always 0.
    """
    listed = [
        _identity(model)
        | {
            "details": _details(model.card),
            "expires_at": time_text(model.expires_at or NEVER),
            "size_vram": 0,
            "context_length": model.card.context_length,
        }
        for model in models
        if model.card is not None
    ]
    return msgspec.json.encode({"models": listed})


def show_body(model: OllamaModel, card: ModelCard) -> bytes:
    """One model. Its context length is the one that a request may use here, for clients take it
    for that.
    """
    family = card.architecture or "unknown"
    info = {
        "general.architecture": family,
        "general.basename": model.served_name,
        "general.parameter_count": card.parameters,
        f"{family}.context_length": card.context_length,
        f"{family}.training_context_length": card.training_context_length,
        "tokenizer.ggml.tokens": None,
    }
    if card.embedding_length:
        info[f"{family}.embedding_length"] = card.embedding_length
    length = card.context_length
    return msgspec.json.encode(
        {
            "modelfile": f"FROM {model.name}\n",
            "parameters": f"num_ctx {length}" if length else "",
            "template": "",
            "details": _details(card),
            "model_info": info,
            "capabilities": model.capabilities,
            "modified_at": _modified_at(model),
        }
    )


def _identity(model: OllamaModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "model": model.name,
        "size": model.card.size_bytes if model.card else 0,
        "digest": _digest(model),
    }


def _digest(model: OllamaModel) -> str:
    """The same for all names of a model. Not of its file: reading that takes minutes."""
    card = model.card
    facts = (model.served_name, card.parameters) if card else (model.served_name,)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _details(card: ModelCard | None) -> dict[str, Any]:
    family = _FAMILIES.get(card.architecture, card.architecture) if card else ""
    found = _QUANTISATION.search(card.description) if card else None
    return {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family] if family else [],
        "parameter_size": _count(card.parameters) if card and card.parameters else "",
        "quantization_level": found[1] if found else "unknown",
    }


def _count(parameters: int) -> str:
    """20914757184 as 20.9B."""
    for scale, letter in _SCALES:
        if parameters >= scale:
            return f"{parameters / scale:.1f}{letter}"
    return str(parameters)


def _modified_at(model: OllamaModel) -> str:
    return time_text(datetime.fromtimestamp(model.created, timezone.utc))
