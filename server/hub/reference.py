"""What a model on a hub is called: hf.co/OWNER/REPO[:FILE], or a short name from the catalogue.

Only the words are looked at; whether there is such a model, the hub knows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A model in a repository. `file`: its name there, or a part of it that no other has, such as
    Q4_K_M; None: the only one. `size` in bytes and `sha256` are set where they are known for sure.
    """

    repo: str
    file: str | None = None
    size: int | None = None
    sha256: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        return self.name or f"{self.address}{f':{self.file}' if self.file else ''}"

    @property
    def address(self) -> str:
        """The repository as one would write it."""
        return f"hf.co/{self.repo}"


DEFAULT_NAME = "gpt-oss-20b"
CATALOGUE: Mapping[str, Reference] = MappingProxyType(
    {
        reference.name: reference
        for reference in (
            Reference(
                name=DEFAULT_NAME,
                repo="ggml-org/gpt-oss-20b-GGUF",
                file="gpt-oss-20b-mxfp4.gguf",
                size=12_109_566_560,
                sha256="be37a636aca0fc1aae0d32325f82f6b4d21495f06823b5fbc1898ae0303e9935",
            ),
            Reference(
                name="gpt-oss-120b",
                repo="ggml-org/gpt-oss-120b-GGUF",
                file="gpt-oss-120b-mxfp4-00001-of-00003.gguf",
            ),
            Reference(
                name="nomic-embed-text",
                repo="nomic-ai/nomic-embed-text-v1.5-GGUF",
                file="nomic-embed-text-v1.5.Q8_0.gguf",
            ),
        )
        if reference.name
    }
)

_HOST = re.compile(r"(https?://)?(www\.)?(hf\.co|huggingface\.co)/", re.I)
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_FILE = r"[^\s:/\\][^\s:\\]*"
# A file stands after a colon, or as in the address of its page.
_PLACE = re.compile(rf"({_NAME}/{_NAME})(?::({_FILE})|/(?:blob|resolve)/main/({_FILE}))?/?\Z")


def is_reference(text: str) -> bool:
    """Whether `text` means something on a hub and not a path, be it well written or not."""
    return text.strip().lower() in CATALOGUE or _HOST.match(text.strip()) is not None


def read_reference(text: str) -> Reference:
    """The model that `text` names. Errors: ValueError with one sentence."""
    if known := CATALOGUE.get(text.strip().lower()):
        return known
    host = _HOST.match(text.strip())
    place = _PLACE.match(text.strip()[host.end() :].partition("?")[0]) if host else None
    if place is None:
        raise ValueError(
            f'"{text.strip()[:200]}" is no model\'s name; write hf.co/OWNER/REPO,'
            f" hf.co/OWNER/REPO:FILE, or one of {', '.join(CATALOGUE)}"
        )
    return Reference(repo=place[1], file=place[2] or place[3])
