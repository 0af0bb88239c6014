"""Every setting of the server: its name, meaning, default and limits.

An environment variable is its field's name in capitals. Where values come from: load.py;
what each part gets of them: slices.py.
"""

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from server.auth.key_text import SHAPE as KEY_TABLE_SHAPE
from server.auth.keys import KeyTable
from server.settings.embedding import EmbeddingSettings
from server.settings.model import ModelSettings
from server.settings.registry_file import DEVICE_LAYERS
from server.settings.responses import ResponsesSettings
from server.settings.several import SeveralSettings
from server.settings.upstream import UpstreamSettings
from server.settings.values import (
    AUTO_BYTES,
    AllowedOrigins,
    Bytes,
    DefaultEffort,
    ExtraPorts,
    Folder,
    GpuLayers,
    HealthWord,
    Keys,
    KeysFromFile,
    Level,
    Repack,
    Sharing,
    Size,
    SizeOrAuto,
    Speculation,
    TrustedProxies,
    setting,
)


class Settings(
    ResponsesSettings,
    UpstreamSettings,
    SeveralSettings,
    EmbeddingSettings,
    ModelSettings,
    BaseSettings,
):
    """All settings, checked. Built from its arguments alone: it never looks at the environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        enable_decoding=False,
        arbitrary_types_allowed=True,
        protected_namespaces=(),
    )

    # --- how the model is run; which one it is: ModelSettings
    context_length: int = setting(
        8192,
        "Tokens that one request may use, prompt and answer together; at most what the model was"
        " trained for. More costs memory.",
        ge=256,
    )
    n_parallel: int = setting(4, "Requests that are answered at the same time.", ge=1, le=256)
    n_threads: int | None = setting(
        None, "CPU threads; unset: as many as this process was granted.", example=4, ge=1, le=1024
    )
    n_gpu_layers: GpuLayers = setting(
        -2,
        "Layers on the GPU: auto (as many as fit), all, or a count; 0 is the CPU alone.",
        example="auto",
    )
    require_gpu: bool = setting(
        False,
        "Do not start where llama.cpp finds no GPU, instead of computing on the CPU, slowly.",
    )
    n_cpu_moe: int = setting(
        0, "Layers whose experts stay on the CPU when the rest is on a small GPU.", ge=0
    )
    weight_repack: Repack = setting(
        "auto",
        "Copy the weights into a layout that reads prompts faster, at the price of memory and load"
        " time: auto (where memory allows), on, off.",
    )
    max_stall_ms: int | None = setting(
        None,
        "Longest pause of a running answer, in milliseconds, while another prompt is read; unset:"
        " chosen for the hardware.",
        example=700,
        ge=1,
    )
    speculation: Speculation = setting(
        "auto",
        "Guess what an answer copies from the text before it, and verify it several tokens a step;"
        " answers stay the same: auto (where it pays) or off.",
    )
    n_parallel_per_key: int | None = setting(
        None,
        "How many of them may be one key's; unset: all. Free places go to the keys in turn.",
        example=2,
        ge=1,
    )
    max_queue: int = setting(
        64, "Requests that may wait for a free place; the next one is told to come back.", ge=0
    )
    max_queue_seconds: float = setting(
        600.0,
        "A request that would wait longer than this is told to come back at once.",
        gt=0,
        allow_inf_nan=False,
    )

    # --- computed prompts
    prefix_cache_ram: SizeOrAuto = setting(
        Size(AUTO_BYTES),
        "Memory for computed prompts, so that nobody waits for the same beginning twice: auto (a"
        " quarter of what is free, at most 2GiB) or a size like 512MiB; 0: none are kept.",
    )
    prefix_cache_dir: Folder | None = setting(
        None,
        "A folder in which they survive a restart. Unset: prefixes in the service's state or the"
        " user's cache folder.",
        example="/var/lib/gpt-api/prefixes",
    )
    prefix_cache_disk: Bytes = setting(
        Size(4 << 30), "What that folder may take of the disk, like 4GiB; 0: nothing is written."
    )
    prefix_sharing: Sharing = setting(
        "key",
        "Who profits from a computed prompt: key (requests with the same key only, so that none can"
        " tell what others ask) or all.",
    )

    # --- what a request may use, and what it gets when it does not say
    max_input_tokens: int | None = setting(
        None, "Longest prompt in tokens; unset: what the context leaves.", example=4096, ge=1
    )
    max_output_tokens: int = setting(
        1024, "Length of an answer, in tokens, when the request names none.", ge=1
    )
    output_tokens_limit: int | None = setting(
        None,
        "Longest answer, in tokens, that a request may ask for; unset: what the context leaves.",
        example=4096,
        ge=1,
    )
    request_timeout_seconds: float = setting(
        1800.0, "A request that takes longer ends with an error.", gt=0, allow_inf_nan=False
    )
    max_body_bytes: int = setting(32 << 20, "Largest request body in bytes.", ge=1024)
    default_temperature: float = setting(1.0, "Temperature of requests that name none.", ge=0, le=5)
    default_top_p: float = setting(1.0, "top_p of requests that name none.", gt=0, le=1)
    default_top_k: int = setting(0, "top_k of requests that name none; 0: off.", ge=0)
    default_min_p: float = setting(0.0, "min_p of requests that name none; 0: off.", ge=0, le=1)
    default_repeat_penalty: float = setting(
        1.0, "repeat_penalty of requests that name none; 1: off.", gt=0, le=10
    )
    default_frequency_penalty: float = setting(
        0.0, "frequency_penalty of requests that name none; 0: off.", ge=-2, le=2
    )
    default_presence_penalty: float = setting(
        0.0, "presence_penalty of requests that name none; 0: off.", ge=-2, le=2
    )
    reasoning_effort_default: DefaultEffort = setting(
        "medium", "How long the model thinks when the request does not say: low, medium, high."
    )
    reasoning_budget: int | None = setting(
        None,
        "Tokens that the model may think before it has to answer, when the request does not say;"
        " unset: 512, 2048 or 8192 by its effort, as far as the context has room; 0: none.",
        example=2048,
        ge=0,
    )
    reasoning_alias: bool = setting(
        True, "Send the model's reasoning as reasoning_content too, beside reasoning."
    )
    completions_as_chat: bool = setting(
        False,
        "Ask the prompts of /v1/completions as a user's messages instead of writing on after them.",
    )
    ollama_truncate: bool = setting(
        True, "Leave out the oldest messages of Ollama chats that are too long; 0: refuse them."
    )
    strict_params: bool = setting(
        False, "Refuse request fields that this server does not know, instead of ignoring them."
    )

    # --- who may ask
    api_keys: Keys = setting(
        KeyTable(),
        "Who may ask: a table of keys, as JSON or as a Python dict (see README, Keys).",
        example=KEY_TABLE_SHAPE,
        secret=True,
    )
    api_keys_file: KeysFromFile | None = setting(
        None, "A file with such a table.", example="/etc/gpt-api/keys.json"
    )
    allow_anonymous: bool = setting(
        False, "Let everybody in without a key, even from other machines."
    )

    # --- the service
    host: str = setting(
        "127.0.0.1",
        "The address to listen on; 0.0.0.0 is every address of this machine, and needs keys.",
        pattern=r"^[A-Za-z0-9_.:%-]+$",
        expected="an address or host name",
    )
    port: int = setting(8000, "The port to listen on; 0: any free one.", ge=0, le=65535)
    extra_ports: ExtraPorts | None = setting(
        None,
        "Further ports on which the same is served, with commas between them; unset: none.",
        example="8080",
    )
    ollama_port: int | None = setting(
        None,
        "A second port for Ollama's clients, with its interface and /v1 alone; 0: any free one.",
        example=11434,
        ge=0,
        le=65535,
    )
    root_path: str = setting(
        "",
        "The path under which a reverse proxy publishes this server, whether it strips it or not.",
        example="/gpt",
        pattern=r"^(/\S*[^/\s])?$",
        expected="a path like /gpt, without a slash at its end",
    )
    trusted_proxies: TrustedProxies | None = setting(
        None,
        "Reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses and"
        " networks, with commas between them; unset: nobody's.",
        example="127.0.0.1",
    )
    cors_allow_origins: AllowedOrigins | None = setting(
        None,
        "Origins whose web pages may ask this server from a browser, with commas between them; *:"
        " all; unset: none.",
        example="https://chat.example.com,http://localhost:5173",
    )
    health_status_text: HealthWord = setting(
        "ok", "What /health says when the model can answer: ok or healthy."
    )
    sse_ping_seconds: float = setting(
        15.0,
        "A stream that is silent for so long gets a comment (a space in Ollama's), so that no proxy"
        " cuts it; 0: never.",
        ge=0,
        allow_inf_nan=False,
    )
    plain_ping_seconds: float = setting(
        0.0,
        "An answer that is not streamed and takes longer is begun with status 200, and a space"
        " every so often, so that no proxy cuts it; 0: never.",
        example=30,
        ge=0,
        allow_inf_nan=False,
    )
    shutdown_timeout_seconds: int = setting(
        30, "How long running answers may go on after the server was told to stop.", ge=0
    )
    log_level: Level = setting("info", "How much is logged: debug, info, warning, error.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @property
    def gpu_layers(self) -> int:
        """As ModelOptions says it, for models of which nothing else is said."""
        if "n_gpu_layers" in self.model_fields_set:
            return self.n_gpu_layers
        return DEVICE_LAYERS[self.default_device]

    @property
    def keys(self) -> KeyTable:
        """The keys of the variable and of the file."""
        from_file = self.api_keys_file.table if self.api_keys_file else ()
        return KeyTable([*self.api_keys, *from_file])

    @property
    def further_ports(self) -> tuple[int, ...]:
        """Of the extra ports those that are not PORT already."""
        extra = self.extra_ports.numbers if self.extra_ports else ()
        return tuple(port for port in extra if port != self.port or not port)
