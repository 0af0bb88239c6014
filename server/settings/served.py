"""Which models are served, and under which names: that of MODEL_PATH, that of EMBEDDING_MODEL_PATH,
those of the list and those of other servers, as one list.

What is wrong with it is said elsewhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.registry.entries import GPT_OSS_ALIASES
from server.registry.registry import names_of
from server.settings.model_file import bundled_model
from server.settings.registry_file import Listing, LocalSource
from server.settings.settings import Settings
from server.settings.upstream_source import UpstreamSource, reasons


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The models, and the name of the one that answers when a request names none. It is in memory
    all the time, and so are those that the list does not name but for it.
    """

    listings: tuple[Listing, ...]
    resident: tuple[str, ...]
    default: str

    @property
    def default_listing(self) -> Listing | None:
        """None where nothing that writes has this name."""
        wanted = self.default.lower()
        named = (each for each in self.listings if wanted in all_names(each))
        return next((each for each in named if not each.embeddings), None)


def served(settings: Settings) -> Served:
    """The models in the order in which they are listed: the default one first, as a rule."""
    main = main_listing(settings) if settings.include_default_models else None
    embedder = embedding_listing(settings)
    listed = allowed(settings)
    own = [each for each in (main, *listed, *ollama_listings(settings)) if each is not None]
    listings = (*own, *_proxied(settings, own), *([embedder] if embedder else []))
    first = next((each.name for each in listings if not each.embeddings), settings.model_name)
    default = settings.default_model or (main.name if main else first)
    found = Served(listings=listings, resident=(), default=default)
    stays = (found.default_listing, embedder)
    resident = tuple(each.name for each in stays if each is not None)
    return Served(listings=listings, resident=resident, default=default)


def main_listing(settings: Settings) -> Listing | None:
    """The model of MODEL_PATH, or the demonstration model if there is one. The names that others
    than it have are not among its aliases.
    """
    model = settings.model_path or bundled_model()
    if model is None:
        return None
    others = (*allowed(settings), *ollama_listings(settings))
    taken = {name for each in others for name in all_names(each)}
    return Listing(
        name=settings.model_name,
        aliases=tuple(alias for alias in GPT_OSS_ALIASES if not names_of(alias, ()) & taken),
        origin=LocalSource(model=model),
    )


def embedding_listing(settings: Settings) -> Listing | None:
    """The model of EMBEDDING_MODEL_PATH."""
    if settings.embedding_model_path is None:
        return None
    return Listing(
        name=settings.embedding_model_name,
        origin=LocalSource(model=settings.embedding_model_path),
        chat=False,
        embeddings=True,
        context_length=settings.embedding_context_length,
    )


def ollama_listings(settings: Settings) -> list[Listing]:
    """The models of OLLAMA_BASE_URL that are named."""
    url, names = settings.ollama_base_url, settings.ollama_upstream_models
    if url is None or names is None:
        return []
    base_url = url.rstrip("/").removesuffix("/v1") + "/v1"
    return [
        Listing(
            name=name,
            origin=UpstreamSource(base_url=base_url, model=name, reasoning=reasons(name)),
        )
        for name in names.names
    ]


def _proxied(settings: Settings, others: Sequence[Listing]) -> Iterator[Listing]:
    """The models of an older service's servers, under names that no other model has."""
    taken = {name for each in others for name in all_names(each)}
    for name in ("gpt-oss-120b", "gpt-oss-20b") if settings.base_url else ():
        if name not in taken:
            yield Listing(name=name, origin=_chatkit(settings, name))
    for name in ("gpt-4o", "gpt-4o-mini") if settings.vercel_minimal_api_url else ():
        if name not in taken:
            yield Listing(name=name, origin=_vercel(settings, name))


def _chatkit(settings: Settings, model: str) -> UpstreamSource:
    key = settings.base_url_key
    return UpstreamSource(
        base_url=settings.base_url or "",
        model=model,
        api_key=key.get_secret_value() if key else "",
        wire="chatkit",
        reasoning=True,
    )


def _vercel(settings: Settings, model: str) -> UpstreamSource:
    return UpstreamSource(
        base_url=settings.vercel_minimal_api_url or "",
        model=model,
        wire="vercel",
        vision=True,
        session_prefix=settings.vercel_session_prefix,
    )


def all_names(listing: Listing) -> frozenset[str]:
    """See `registry.names_of`."""
    return names_of(listing.name, listing.aliases)


def allowed(settings: Settings) -> list[Listing]:
    """What is served of the list."""
    listings = settings.registry_file.listings
    if settings.model_allow_list is None:
        return list(listings)
    wanted = {name.lower() for name in settings.model_allow_list.names}
    return [each for each in listings if each.name.lower() in wanted]
