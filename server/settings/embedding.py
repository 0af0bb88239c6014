"""The settings of the model that makes embeddings: a part of Settings.

What the files and names in them mean is read elsewhere; nothing is downloaded here.
"""

from pydantic import BaseModel, ConfigDict

from server.settings.values import ModelSource, setting


class EmbeddingSettings(BaseModel):
    """A base of Settings; its fields stand behind those of ModelSettings."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    embedding_model_path: ModelSource | None = setting(
        None,
        "A second model, which makes embeddings: a GGUF file, or one to be downloaded, like"
        " MODEL_PATH. Unset: there are no embeddings.",
        example="/var/lib/gpt-api/models/nomic-embed-text-v1.5.Q8_0.gguf",
    )
    embedding_model_name: str = setting(
        "text-embedding",
        "The name that the embedding model answers to.",
        pattern=r"^\S+$",
        expected="a name without spaces",
    )
    embedding_context_length: int = setting(
        2048,
        "Tokens that one text to embed may have; at most what the embedding model was trained for."
        " More costs memory.",
        ge=16,
    )
    embedding_matryoshka: bool = setting(
        False,
        "Cut embeddings to the dimensions that a request asks for. For Matryoshka models alone:"
        " others' lose their meaning.",
    )
