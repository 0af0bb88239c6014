"""Where answers of other servers come from, as an entry of the list of models says it.

Nobody is asked here whether such a server is there.
"""

import os
import re
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from server.core.durations import read_duration

Wire: TypeAlias = Literal["openai", "chatkit", "vercel"]
# An address without a name and a password, and without what follows a path.
URL = r"^https?://[^\s/@?#]+(/[^\s?#]*)?$"

KEY = r"^[\x21-\x7e]+$"
# What they are, in words, by the field that has them.
PATTERNS = {
    "upstream.base_url": "an address like https://api.example.com/v1",
    "upstream.api_key": "a key without spaces and foreign letters",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSource:
    """A model of another server. `timeout_s` None: as the settings say of all."""

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    wire: Wire = "openai"
    vision: bool = False
    reasoning: bool = False
    timeout_s: float | None = None
    session_prefix: str = ""

    @property
    def host(self) -> str:
        """The server, for people."""
        return urlsplit(self.base_url).netloc


def _seconds(value: object) -> object:
    return read_duration(value.strip()) if isinstance(value, str) else value


class UpstreamEntry(BaseModel):
    """What stands under `upstream`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_url: Annotated[str, Field(pattern=URL)]
    model: Annotated[str, Field(min_length=1)] | None = None
    api_key: Annotated[str, Field(pattern=KEY)] | None = None
    api_key_env: str | None = None
    wire: Wire = "openai"
    vision: bool = False
    reasoning: bool | None = None
    timeout: Annotated[float, BeforeValidator(_seconds), Field(gt=0)] | None = None
    session_prefix: str = ""


def upstream_source(entry: UpstreamEntry, name: str) -> UpstreamSource:
    """The source of the model that is called `name` here. Errors: ValueError."""
    model = entry.model or name
    if entry.wire == "chatkit" and not model.isascii():
        raise ValueError(f"chatkit cannot be asked for {model}; give it a model in ASCII")
    return UpstreamSource(
        base_url=entry.base_url,
        model=model,
        api_key=_key(entry),
        wire=entry.wire,
        vision=entry.vision,
        reasoning=reasons(model) if entry.reasoning is None else entry.reasoning,
        timeout_s=entry.timeout,
        session_prefix=entry.session_prefix,
    )


def reasons(model: str) -> bool:
    """Whether a model that nobody says more of is known to take an effort."""
    return "gpt-oss" in model.lower()


def _key(entry: UpstreamEntry) -> str:
    if entry.api_key is not None and entry.api_key_env is not None:
        raise ValueError("upstream has api_key and api_key_env; leave one out")
    if entry.api_key_env is None:
        return entry.api_key or ""
    key = os.environ.get(entry.api_key_env, "").strip()
    if not re.fullmatch(KEY, key):
        wrong = "has spaces or foreign letters; copy the key again" if key else "is not set; set it"
        raise ValueError(f"the variable {entry.api_key_env}, which api_key_env names, {wrong}")
    return key
