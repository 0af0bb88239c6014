"""The settings that say which model is served, where it is and what it is called: the first ones
of Settings.

What the files and names in them mean is read elsewhere; nothing is downloaded here.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from server.hub.reference import Reference
from server.settings.model_file import DOWNLOADS, bundled_model
from server.settings.values import ModelsFolder, ModelSource, Token, setting


class ModelSettings(BaseModel):
    """A base, so that these come first wherever settings are listed."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_path: ModelSource | None = setting(
        None,
        "The model: a GGUF file, a directory that holds one, or a prefix of its name; or one to be"
        " downloaded: gpt-oss-20b, hf.co/OWNER/REPO or hf.co/OWNER/REPO:FILE. Unset: the bundled"
        " demonstration model, which is tiny and knows nothing.",
        example="/var/lib/gpt-api/models/gpt-oss-20b-mxfp4.gguf",
    )
    models_dir: ModelsFolder | None = setting(
        None,
        "The folder for downloaded models. Unset: models in the service's state, beside the"
        " sources, or in the user's data folder.",
        example="/var/lib/gpt-api/models",
    )
    hf_endpoint: str | None = setting(
        None,
        "The hub to download from; unset: huggingface.co.",
        example="https://huggingface.co",
        pattern=r"^https?://[^\s/@]+(/\S*)?$",
        expected="a URL",
    )
    hf_token: Token | None = setting(
        None,
        "The token for models that the hub does not give to everybody; unset: that of hf auth"
        " login, if any.",
        example="hf_your_token",
        secret=True,
    )
    model_name: str = setting(
        "gpt-oss-20b",
        "The name that the model answers to.",
        pattern=r"^\S+$",
        expected="a name without spaces",
    )

    @property
    def demonstration(self) -> bool:
        """Whether the model of MODEL_PATH is the bundled one."""
        return (self.model_path or bundled_model()) == bundled_model()

    @property
    def model_file(self) -> Path:
        """The GGUF to load, or about where it will be once it is downloaded. Errors:
        FileNotFoundError where none was named and none is bundled.
        """
        found = self.model_path or bundled_model()
        if found is None:
            raise FileNotFoundError("no model was named and none is bundled; set MODEL_PATH")
        return self.place_of(found)

    def place_of(self, model: Path | Reference) -> Path:
        """Its file, or about where that will be once it is downloaded."""
        if isinstance(model, Reference):
            return self.download_folder / Path(model.file or model.repo).name
        return model

    @property
    def download_folder(self) -> Path:
        return self.models_dir or DOWNLOADS

    @property
    def hub_token(self) -> str | None:
        """The token itself, for the hub alone."""
        return self.hf_token.get_secret_value() if self.hf_token else None
