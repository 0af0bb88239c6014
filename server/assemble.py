"""Settings to registry to engines: the one place that knows which concrete classes are used."""

import time
from datetime import date, datetime, timezone

from server.core.ports import Engine
from server.engines.local import LocalEngine, LocalOptions
from server.formats.harmony import gpt_oss_format
from server.registry import GPT_OSS_ALIASES, Entry, Registry
from server.settings import Settings
from server.settings_slices import generation_limits, model_options


def registry(settings: Settings) -> Registry:
    """The served models, not yet loaded."""
    entry = Entry(
        name=settings.model_name,
        engine=_local(settings),
        created=int(time.time()),
        aliases=GPT_OSS_ALIASES,
    )
    default = settings.default_model or settings.model_name
    return Registry([entry], default, forgiving=settings.unknown_model == "default")


def _local(settings: Settings) -> Engine:
    options = LocalOptions(
        name=settings.model_name,
        model=model_options(settings),
        limits=generation_limits(settings),
        demonstration=settings.demonstration,
    )
    return LocalEngine(options, lambda vocabulary: gpt_oss_format(vocabulary, _today))


def _today() -> date:
    # UTC, so that the day in the prompt (and with it every cached prefix) changes at one moment.
    return datetime.now(timezone.utc).date()
