"""The served models as text: where each comes from, and what memory it will need."""

from collections.abc import Iterator
from pathlib import Path

from server.hub.reference import Reference
from server.model_files.facts import ModelFacts
from server.settings.registry_file import Listing
from server.settings.served import served
from server.settings.settings import Settings
from server.settings.slices import embedder_setup, local_options
from server.settings.upstream_source import UpstreamSource
from server.worker.runtime.memory import available_bytes

GIB = 1 << 30


def models_report(settings: Settings) -> str:
    """A line a model, and what memory there is."""
    models = served(settings)
    rows = [
        (listing.name, *_row(settings, listing, listing.name in models.resident))
        for listing in models.listings
    ]
    available = available_bytes(mapped=True)
    free = "an unknown amount" if available is None else f"{available / GIB:.1f} GiB"
    return "\n".join((f"memory for models: {free}", *_aligned(rows))) + "\n"


def _row(settings: Settings, listing: Listing, resident: bool) -> tuple[str, str]:
    """What it needs, and where it is."""
    if isinstance(listing.origin, UpstreamSource):
        return "needs none here", f"answered by {listing.origin.host}"
    model = listing.local_model
    path = settings.place_of(model)
    if isinstance(model, Reference) and not path.exists():
        return "not here yet", str(model)
    return f"needs {_needed(settings, listing, resident, path)}", str(path)


def _needed(settings: Settings, listing: Listing, resident: bool, path: Path) -> str:
    if listing.embeddings:
        facts = ModelFacts(path, embedder_setup(settings, listing).model)
    else:
        facts = ModelFacts(path, local_options(settings, listing, resident=resident).model)
    try:
        return f"{facts.needed_bytes() / GIB:.1f} GiB"
    except (OSError, ValueError) as error:
        return f"an unknown amount ({error})"


def _aligned(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:2]]
    for name, needs, place in rows:
        yield f"  {name:{widths[0]}}  {needs:{widths[1]}}  {place}"
