"""What each part of the server gets of the settings, as a frozen value of its own."""

from pathlib import Path

from msgspec.structs import replace

from server import __version__
from server.api.options import ApiOptions
from server.core.request import SAMPLERS_OFF, Sampling
from server.engines.allowance import GenerationLimits
from server.engines.embedder import EmbedderSetup
from server.engines.local import LocalOptions
from server.engines.upstream_options import UpstreamOptions
from server.response_store import StoreLimits
from server.settings.checks import loopback
from server.settings.machine import granted_cpus
from server.settings.model_file import bundled_model
from server.settings.registry_file import Listing
from server.settings.settings import Settings
from server.settings.upstream_source import UpstreamSource
from server.settings.values import AUTO_BYTES, GPU_LAYERS
from server.worker.embedding.messages import EmbedderOptions
from server.worker.messages import ModelOptions, PrefixOptions

# Memory for computed prompts of a model that comes and goes, where it is to be chosen.
GUEST_PROMPT_BYTES = 256 << 20


def model_options(settings: Settings, path: Path | None = None) -> ModelOptions:
    """What the worker needs to know of the model at `path`, or of that of MODEL_PATH."""
    return ModelOptions(
        path=str(path or settings.model_file),
        context_length=settings.context_length,
        slots=settings.n_parallel,
        threads=settings.n_threads or granted_cpus(),
        gpu_layers=settings.gpu_layers,
        require_gpu=settings.require_gpu,
        cpu_moe_layers=settings.n_cpu_moe,
        weight_repack=settings.weight_repack,
        queue_limit=settings.max_queue,
        queue_deadline_s=settings.max_queue_seconds,
        owner_slots=settings.n_parallel_per_key,
        max_stall_ms=settings.max_stall_ms,
        prefixes=PrefixOptions(
            memory_bytes=settings.prefix_cache_ram.bytes,
            folder=str(settings.prefix_cache_dir or ""),
            disk_bytes=settings.prefix_cache_disk.bytes,
        ),
    )


def embedder_setup(settings: Settings, listing: Listing) -> EmbedderSetup:
    """What the embedder needs to know."""
    assumed = settings.max_context_tokens or settings.embedding_context_length
    # A count of layers is meant for the model that writes.
    layers = 0 if settings.gpu_layers == 0 else GPU_LAYERS["auto"]
    return EmbedderSetup(
        name=listing.name,
        model=EmbedderOptions(
            path=str(settings.place_of(listing.local_model)),
            context_length=listing.context_length or assumed,
            threads=settings.n_threads or granted_cpus(),
            gpu_layers=layers if listing.gpu_layers is None else listing.gpu_layers,
            weight_repack=settings.weight_repack,
            queue_limit=settings.max_queue,
        ),
        shortens=settings.embedding_matryoshka,
        timeout_s=settings.request_timeout_seconds,
    )


def local_options(settings: Settings, listing: Listing, *, resident: bool) -> LocalOptions:
    """What an engine of this machine needs to know of a model that writes. One that is not
    `resident` keeps computed prompts in memory alone, for the folder is the other's.
    """
    file = settings.place_of(listing.local_model)
    options = model_options(settings, file)
    listed = listing in settings.registry_file.listings
    context_length = settings.max_context_tokens if listed else None
    layers = listing.gpu_layers
    model = replace(
        options,
        context_length=listing.context_length or context_length or options.context_length,
        slots=listing.n_parallel or options.slots,
        gpu_layers=options.gpu_layers if layers is None else layers,
        prefixes=options.prefixes if resident else _guest_prefixes(options.prefixes),
    )
    return LocalOptions(
        name=listing.name,
        model=model,
        limits=generation_limits(settings),
        demonstration=file == bundled_model(),
    )


def upstream_options(
    settings: Settings, listing: Listing, source: UpstreamSource
) -> UpstreamOptions:
    """What the engine of a model of another server needs to know."""
    return UpstreamOptions(
        name=listing.name,
        base_url=source.base_url,
        model=source.model,
        limits=generation_limits(settings),
        api_key=source.api_key,
        wire=source.wire,
        timeout_s=source.timeout_s or settings.upstream_timeout_seconds,
        session_prefix=source.session_prefix,
        vision=source.vision,
        reasoning=source.reasoning,
        context_length=listing.context_length,
    )


def _guest_prefixes(prefixes: PrefixOptions) -> PrefixOptions:
    memory = prefixes.memory_bytes
    return PrefixOptions(memory_bytes=GUEST_PROMPT_BYTES if memory == AUTO_BYTES else memory)


def generation_limits(settings: Settings) -> GenerationLimits:
    """What a request may use, and what it gets when it does not say."""
    return GenerationLimits(
        sampling=sampling(settings),
        max_tokens=_default_length(settings),
        reasoning_budget=settings.reasoning_budget,
        max_input_tokens=settings.max_input_tokens,
        timeout_s=settings.request_timeout_seconds,
        shared_prefixes=settings.prefix_sharing == "all",
        speculate=settings.speculation == "auto",
    )


def api_options(settings: Settings) -> ApiOptions:
    """What the HTTP side needs to know."""
    origins, proxies = settings.cors_allow_origins, settings.trusted_proxies
    return ApiOptions(
        version=__version__,
        max_body_bytes=settings.max_body_bytes,
        ping_seconds=settings.sse_ping_seconds,
        plain_ping_seconds=settings.plain_ping_seconds,
        drain_seconds=settings.shutdown_timeout_seconds,
        effort_default=settings.reasoning_effort_default,
        output_tokens_limit=settings.output_tokens_limit,
        strict_params=settings.strict_params,
        reasoning_alias=settings.reasoning_alias,
        completions_as_chat=settings.completions_as_chat,
        ollama_truncate=settings.ollama_truncate,
        local=loopback(settings.host) and proxies is None,
        health_text=settings.health_status_text,
        cors_origins=origins.urls if origins else (),
        trusted_proxies=proxies.networks if proxies else (),
        responses=StoreLimits(
            count=settings.responses_store_count,
            bytes=settings.responses_store_bytes.bytes,
            seconds=settings.responses_store_seconds,
        ),
    )


def sampling(settings: Settings) -> Sampling:
    """The sampling of a request that names none: every value set, but the seed."""
    return Sampling(
        temperature=settings.default_temperature,
        top_p=settings.default_top_p,
        top_k=settings.default_top_k,
        min_p=settings.default_min_p,
        repeat_penalty=settings.default_repeat_penalty,
        frequency_penalty=settings.default_frequency_penalty,
        presence_penalty=settings.default_presence_penalty,
    ).filled(SAMPLERS_OFF)


def _default_length(settings: Settings) -> int:
    """What a request gets that names no length; never more than it could have asked for."""
    limit = settings.output_tokens_limit
    default = settings.max_output_tokens
    return default if limit is None else min(default, limit)
