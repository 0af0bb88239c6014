"""Settings to registry to engines: the one place that knows which concrete classes are used."""

import time
from datetime import date, datetime, timezone

from server.core.ports import Engine
from server.engines.generation import GenerationLimits
from server.engines.local import LocalEngine, LocalOptions
from server.formats.harmony import HarmonyFormat
from server.registry import GPT_OSS_ALIASES, Entry, Registry
from server.settings import Settings


def registry(settings: Settings) -> Registry:
    """The served models, not yet loaded."""
    entry = Entry(
        name=settings.model_name,
        engine=_local(settings),
        created=int(time.time()),
        aliases=GPT_OSS_ALIASES,
    )
    return Registry([entry], settings.default_model or settings.model_name)


def _local(settings: Settings) -> Engine:
    options = LocalOptions(
        name=settings.model_name,
        model=settings.model_options(),
        limits=GenerationLimits(
            sampling=settings.sampling(),
            max_tokens=_default_length(settings),
            max_input_tokens=settings.max_input_tokens,
            timeout_s=settings.request_timeout_seconds,
            shared_prefixes=settings.prefix_sharing == "all",
        ),
        demonstration=settings.demonstration,
    )
    return LocalEngine(options, lambda vocabulary: HarmonyFormat(vocabulary, _today))


def _default_length(settings: Settings) -> int:
    """What a request gets that names no length; never more than it could have asked for."""
    limit = settings.output_tokens_limit
    default = settings.max_output_tokens
    return default if limit is None else min(default, limit)


def _today() -> date:
    # UTC, so that the day in the prompt (and with it every cached prefix) changes at one moment.
    return datetime.now(timezone.utc).date()
