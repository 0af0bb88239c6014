"""Settings to registry to engines: the one place that knows which concrete classes are used."""

import time
from collections.abc import Callable
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path
from typing import TypeAlias

from server.core.ports import Embedder, Engine
from server.engines.embedder import LocalEmbedder
from server.engines.local import LocalEngine
from server.engines.supervision import Obtain
from server.formats.choice import Speech, completing, speech_of
from server.formats.model_text import ModelText
from server.hub.progress import Report
from server.hub.reference import Reference
from server.library.library import Library
from server.library.record import Kept
from server.model_files.facts import makes_vectors, weight_bytes
from server.model_files.source import model_source
from server.registry.entries import (
    OURS,
    UPSTREAM,
    About,
    EmbedderEntry,
    Entry,
)
from server.registry.loading import Habits
from server.registry.on_demand import OnDemandEmbedder, OnDemandEngine
from server.registry.registry import Registry
from server.registry.residency import Residency, Resident
from server.settings.registry_file import Listing, LocalSource
from server.settings.served import served
from server.settings.settings import Settings
from server.settings.slices import embedder_setup, local_options, upstream_options
from server.settings.upstream_source import UpstreamSource
from server.worker.runtime.memory import available_bytes

Understand: TypeAlias = Callable[[ModelText], Speech]


def registry(settings: Settings) -> Registry:
    """The served models, not yet loaded."""
    return Workshop(settings).registry()


def served_models(settings: Settings) -> tuple[Registry, Library]:
    """All models, those among them that clients had added, and what adds and removes these."""
    workshop = Workshop(settings)
    registry = workshop.registry()
    library = workshop.library()
    library.recall(registry)
    return registry, library


class Workshop:
    """Makes entries of listings, also of those that come while the server runs. All of them share
    the machine's memory.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        available = partial(available_bytes, mapped=True)
        self._residency = Residency(available, settings.loaded_limit)

    def registry(self) -> Registry:
        """All that the settings name."""
        models = served(self._settings)
        entries = [
            self.entry(listing, resident=listing.name in models.resident)
            for listing in models.listings
        ]
        forgiving = self._settings.unknown_model == "default"
        return Registry(entries, models.default, forgiving=forgiving)

    def library(self) -> Library:
        """What adds models while the server runs."""
        settings = self._settings
        folder = settings.download_folder
        named = [each.origin for each in served(settings).listings]
        files = {
            settings.place_of(each.model).name for each in named if isinstance(each, LocalSource)
        }

        async def fetch(reference: Reference, report: Report) -> Path:
            # Most servers download nothing, and need not load what that takes.
            from server.hub.client import Hub
            from server.hub.download import Download
            from server.hub.folder import Folder

            hub = Hub(settings.hf_endpoint, settings.hub_token)
            return await Download(hub, Folder(folder), report).run(reference)

        return Library(folder, fetch, self._added, lambda path: path.name in files)

    def _added(self, kept: Kept, path: Path) -> Entry | EmbedderEntry:
        """An entry for a model that a client added. Errors: ValueError for a file of no use."""
        vectors = makes_vectors(path)
        source = LocalSource(model=path)
        return self.entry(
            Listing(
                name=kept.name,
                origin=source,
                description=f"from {kept.repository}" if kept.repository else None,
                chat=not vectors,
                embeddings=vectors,
            )
        )

    def entry(self, listing: Listing, *, resident: bool = False) -> Entry | EmbedderEntry:
        """A model, not yet loaded; one that is not `resident` comes and goes."""
        created = int(time.time())
        about = _about(self._settings, listing)
        if listing.embeddings:
            return EmbedderEntry(
                name=listing.name,
                engine=self._embedder(listing, resident),
                created=created,
                aliases=listing.aliases,
                about=about,
            )
        source = listing.origin
        upstream = source if isinstance(source, UpstreamSource) else None
        return Entry(
            name=listing.name,
            engine=self._far(listing, upstream) if upstream else self._engine(listing, resident),
            created=created,
            aliases=listing.aliases,
            chat=listing.chat,
            vision=upstream is not None and upstream.vision,
            owner=UPSTREAM if upstream else OURS,
            about=about,
        )

    def _far(self, listing: Listing, source: UpstreamSource) -> Engine:
        # Most servers ask no others, and need not load what that takes.
        from server.engines.upstream import UpstreamEngine

        return UpstreamEngine(upstream_options(self._settings, listing, source))

    def _engine(self, listing: Listing, resident: bool) -> Engine:
        options = local_options(self._settings, listing, resident=resident)
        make = partial(LocalEngine, understand=_understand(listing))
        obtain = _obtain(self._settings, listing.local_model)
        if not resident:
            source = model_source(options, make, obtain)
            return OnDemandEngine(listing.name, source, self._residency, self._habits(listing))
        engine = make(options, obtain=obtain)
        self._residency.settle(Resident(engine, partial(_size, listing.local_model)))
        return engine

    def _embedder(self, listing: Listing, resident: bool) -> Embedder:
        setup = embedder_setup(self._settings, listing)
        obtain = _obtain(self._settings, listing.local_model)
        if not resident:
            source = model_source(setup, LocalEmbedder, obtain)
            return OnDemandEmbedder(listing.name, source, self._residency, self._habits(listing))
        embedder = LocalEmbedder(setup, obtain)
        self._residency.settle(Resident(embedder, partial(_size, listing.local_model)))
        return embedder

    def _habits(self, listing: Listing) -> Habits:
        keep_alive_s = listing.keep_alive_s
        if keep_alive_s is None:
            keep_alive_s = self._settings.model_keep_alive.value
        return Habits(keep_alive_s=keep_alive_s, wait_s=self._settings.model_load_seconds)


def _understand(listing: Listing) -> Understand:
    """How the model of a listing reads and writes."""
    return partial(speech_of, today=_today) if listing.chat else completing


def _about(settings: Settings, listing: Listing) -> About:
    source = listing.origin
    model = source.model if isinstance(source, LocalSource) else None
    return About(
        description=listing.description,
        repository=model.repo if isinstance(model, Reference) else None,
        dtype=listing.dtype,
        device=listing.device or settings.default_device,
    )


def _size(model: Path | Reference) -> int:
    """About what a model takes in memory, as far as that is known without looking into it."""
    if isinstance(model, Reference):
        return model.size or 0
    try:
        return weight_bytes(model)
    except OSError:
        # Its engine will say so.
        return 0


def _obtain(settings: Settings, model: Path | Reference) -> Obtain | None:
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
