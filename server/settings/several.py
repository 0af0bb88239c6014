"""The settings of several models: a part of Settings.

What the file in them says is read elsewhere; nothing is downloaded or loaded here.
"""

from pydantic import BaseModel, ConfigDict

from server.settings.registry_file import RegistryFile
from server.settings.values import (
    Device,
    Duration,
    Names,
    RegistrySource,
    Seconds,
    UnknownModel,
    setting,
)


class SeveralSettings(BaseModel):
    """A base of Settings; its fields stand behind those of EmbeddingSettings."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), arbitrary_types_allowed=True)

    model_registry_path: RegistrySource | None = setting(
        None,
        "A list of more models, in YAML or JSON (see docs/models.md). Unset: there are no more.",
        example="/etc/gpt-api/registry.yaml",
    )
    include_default_models: bool = setting(
        True,
        "Serve the model of MODEL_PATH beside those of the list; 0: the first one of the list that"
        " writes is the default model.",
    )
    model_allow_list: Names | None = setting(
        None,
        "Names, with commas between them: other models of the list are not served. Unset: all are.",
        example="GPT-2,qwen3",
    )
    default_device: Device = setting(
        "auto",
        "What computes where N_GPU_LAYERS is not set: auto, cpu (no layer on a GPU), cuda or mps"
        " (all of them).",
    )
    max_context_tokens: int | None = setting(
        None,
        "The context of models in the list that name none; unset: CONTEXT_LENGTH, or"
        " EMBEDDING_CONTEXT_LENGTH.",
        example=4096,
        ge=16,
    )
    max_loaded_models: int | None = setting(
        None,
        "Models of the list that may be in memory at the same time, beside the default one, which"
        " always is; unset: as many as fit.",
        example=2,
        ge=1,
    )
    max_model_workers: int | None = setting(
        None, "Another name for MAX_LOADED_MODELS.", example=2, ge=1
    )
    model_keep_alive: Duration = setting(
        Seconds(300.0),
        "How long such a model stays in memory when nobody asks it any more: seconds, or a duration"
        " like 1h30m; -1: for ever.",
    )
    model_load_seconds: float = setting(
        300.0,
        "How long a request waits for a model that is being loaded.",
        gt=0,
        allow_inf_nan=False,
    )
    default_model: str | None = setting(
        None,
        "The name that a request without a model gets; unset: MODEL_NAME.",
        example="gpt-oss-20b",
        pattern=r"^\S+$",
        expected="a name without spaces",
    )
    unknown_model: UnknownModel = setting(
        "refuse",
        "What a request gets that names a model which is not served: refuse (404) or default (the"
        " default model, whose name the answer then tells).",
    )

    @property
    def registry_file(self) -> RegistryFile:
        """What is listed, or nothing."""
        return self.model_registry_path or RegistryFile()

    @property
    def loaded_limit(self) -> int | None:
        return self.max_loaded_models or self.max_model_workers
