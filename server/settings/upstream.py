"""The settings of models that other servers answer for, where the operator names such servers: a
part of Settings. Nobody is asked by default.
"""

from pydantic import BaseModel, ConfigDict

from server.settings.upstream_source import URL
from server.settings.values import Names, Token, setting


class UpstreamSettings(BaseModel):
    """A base of Settings; its fields stand behind those of SeveralSettings."""

    model_config = ConfigDict(frozen=True, protected_namespaces=(), arbitrary_types_allowed=True)

    base_url: str | None = setting(
        None,
        "A server that speaks gpt-oss.com's chatkit, for gpt-oss-120b and, where no other model has"
        " that name, gpt-oss-20b (see docs/upstreams.md). Unset: none; nothing leaves this"
        " machine.",
        example="https://api.gpt-oss.example",
        pattern=URL,
        expected="a URL",
    )
    base_url_key: Token | None = setting(
        None, "The key for that server, if it wants one.", example="sk-its-key", secret=True
    )
    vercel_minimal_api_url: str | None = setting(
        None,
        "A minimal chatbot on Vercel's AI SDK, for gpt-4o and gpt-4o-mini. Unset: none.",
        example="https://chatbot.example/api/chat",
        pattern=URL,
        expected="a URL",
    )
    vercel_session_prefix: str = setting(
        "",
        "What the ids of sessions begin with that it is sent.",
        example="shop",
        pattern=r"^[\x21-\x7e]*$",
        expected="a word",
    )
    ollama_base_url: str | None = setting(
        None,
        "An Ollama server, for the models of OLLAMA_UPSTREAM_MODELS. Unset: none.",
        example="http://127.0.0.1:11434",
        pattern=URL,
        expected="a URL",
    )
    ollama_upstream_models: Names | None = setting(
        None,
        "The names of its models that are served here too, with commas between them.",
        example="qwen3,gemma3:12b",
    )
    upstream_timeout_seconds: float = setting(
        30.0,
        "How long another server may be silent, before it answers and while it does.",
        gt=0,
        allow_inf_nan=False,
    )
