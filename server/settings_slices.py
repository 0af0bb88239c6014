"""What each part of the server gets of the settings, as a frozen value of its own."""

from server import __version__
from server.api.options import ApiOptions
from server.core.request import SAMPLERS_OFF, Sampling
from server.engines.allowance import GenerationLimits
from server.engines.embedder import EmbedderSetup
from server.response_store import StoreLimits
from server.settings import Settings
from server.settings_machine import granted_cpus
from server.settings_values import GPU_LAYERS
from server.worker.embedding.messages import EmbedderOptions
from server.worker.messages import ModelOptions, PrefixOptions


def model_options(settings: Settings) -> ModelOptions:
    """What the worker needs to know."""
    return ModelOptions(
        path=str(settings.model_file),
        context_length=settings.context_length,
        slots=settings.n_parallel,
        threads=settings.n_threads or granted_cpus(),
        gpu_layers=settings.n_gpu_layers,
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


def embedder_setup(settings: Settings) -> EmbedderSetup | None:
    """What the embedder needs to know; None where no embedding model is configured."""
    if settings.embedding_model_path is None:
        return None
    return EmbedderSetup(
        name=settings.embedding_model_name,
        model=EmbedderOptions(
            path=str(settings.place_of(settings.embedding_model_path)),
            context_length=settings.embedding_context_length,
            threads=settings.n_threads or granted_cpus(),
            # A count of layers is meant for the model that writes.
            gpu_layers=0 if settings.n_gpu_layers == 0 else GPU_LAYERS["auto"],
            weight_repack=settings.weight_repack,
            queue_limit=settings.max_queue,
        ),
        shortens=settings.embedding_matryoshka,
        timeout_s=settings.request_timeout_seconds,
    )


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
        drain_seconds=settings.shutdown_timeout_seconds,
        effort_default=settings.reasoning_effort_default,
        output_tokens_limit=settings.output_tokens_limit,
        strict_params=settings.strict_params,
        reasoning_alias=settings.reasoning_alias,
        completions_as_chat=settings.completions_as_chat,
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
