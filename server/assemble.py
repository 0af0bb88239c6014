"""Settings to registry to engines: the one place that knows which concrete classes are used."""

import time
from datetime import date, datetime, timezone
from pathlib import Path

from server.core.ports import Engine
from server.engines.embedder import LocalEmbedder
from server.engines.local import LocalEngine, LocalOptions
from server.engines.supervision import Obtain
from server.formats.choice import speech_of
from server.hub.reference import Reference
from server.registry import GPT_OSS_ALIASES, EmbedderEntry, Entry, Registry
from server.settings import Settings
from server.settings_slices import embedder_setup, generation_limits, model_options


def registry(settings: Settings) -> Registry:
    """The served models, not yet loaded."""
    now = int(time.time())
    entry = Entry(
        name=settings.model_name,
        engine=_local(settings),
        created=now,
        aliases=GPT_OSS_ALIASES,
    )
    default = settings.default_model or settings.model_name
    forgiving = settings.unknown_model == "default"
    return Registry([entry], default, _embedder(settings, now), forgiving=forgiving)


def _embedder(settings: Settings, now: int) -> EmbedderEntry | None:
    setup = embedder_setup(settings)
    if setup is None:
        return None
    obtain = _obtain(settings, settings.embedding_model_path)
    return EmbedderEntry(name=setup.name, engine=LocalEmbedder(setup, obtain), created=now)


def _local(settings: Settings) -> Engine:
    options = LocalOptions(
        name=settings.model_name,
        model=model_options(settings),
        limits=generation_limits(settings),
        demonstration=settings.demonstration,
    )
    obtain = _obtain(settings, settings.model_path)
    return LocalEngine(options, lambda text: speech_of(text, _today), obtain)


def _obtain(settings: Settings, model: Path | Reference | None) -> Obtain | None:
    """How to get a model that is on a hub; None for one that is here."""
    if not isinstance(model, Reference):
        return None
    # Most servers download nothing, and need not load what that takes.
    from server.hub.client import Hub
    from server.hub.folder import Folder
    from server.supply import supply

    hub = Hub(settings.hf_endpoint, settings.hub_token)
    return supply(hub, Folder(settings.download_folder), model)


def _today() -> date:
    # UTC, so that the day in the prompt (and with it every cached prefix) changes at one moment.
    return datetime.now(timezone.utc).date()
