"""What can be wrong with which models are served, though every value is right by itself."""

from collections.abc import Callable

from server.settings.model_file import bundled_model
from server.settings.served import (
    all_names,
    allowed,
    embedding_listing,
    main_listing,
    ollama_listings,
    served,
)
from server.settings.settings import Settings


def _no_model(settings: Settings) -> str | None:
    if settings.model_path or bundled_model() or not settings.include_default_models:
        return None
    return (
        "no model is named, and this installation carries no demonstration model;"
        " set MODEL_PATH=/path/to/gpt-oss-20b-mxfp4.gguf"
    )


def _nothing_writes(settings: Settings) -> str | None:
    if settings.include_default_models:
        return None
    if any(not each.embeddings for each in served(settings).listings):
        return None
    return (
        "without the model of MODEL_PATH there is none that writes; name one in"
        " MODEL_REGISTRY_PATH, or set INCLUDE_DEFAULT_MODELS=1"
    )


def _unknown_default(settings: Settings) -> str | None:
    models = served(settings)
    if settings.default_model is None or models.default_listing or not models.listings:
        return None
    writing = next((each.name for each in models.listings if not each.embeddings), None)
    if writing is None:
        return None
    name = settings.default_model
    return f"{name} is not the name of a model that writes; set DEFAULT_MODEL={writing}"


def _same_name(settings: Settings) -> str | None:
    embedder = embedding_listing(settings)
    main = main_listing(settings) if settings.include_default_models else None
    if embedder is None or main is None or not all_names(embedder) & all_names(main):
        return None
    return f"{embedder.name} is a name of the other model; set EMBEDDING_MODEL_NAME=text-embedding"


def _one_name_twice(settings: Settings) -> str | None:
    others = {
        "MODEL_NAME": main_listing(settings) if settings.include_default_models else None,
        "EMBEDDING_MODEL_NAME": embedding_listing(settings),
    }
    for variable, other in others.items():
        for listing in (*allowed(settings), *ollama_listings(settings)) if other else ():
            if other and (twice := all_names(listing) & all_names(other)):
                return (
                    f"the name {min(twice)} of {listing.name} is {variable} too; change one of"
                    " them, or leave the model of MODEL_PATH out with INCLUDE_DEFAULT_MODELS=0"
                )
    return None


def _nobody_allowed(settings: Settings) -> str | None:
    if settings.model_allow_list is None:
        return None
    listed = {each.name.lower() for each in settings.registry_file.listings}
    unknown = [name for name in settings.model_allow_list.names if name.lower() not in listed]
    if not unknown:
        return None
    return f"{unknown[0]} is not in the list of MODEL_REGISTRY_PATH; leave it out"


def _ollama_without_models(settings: Settings) -> str | None:
    if settings.ollama_base_url is None or settings.ollama_upstream_models is not None:
        return None
    return "no model of that server is named; set OLLAMA_UPSTREAM_MODELS=qwen3"


def _models_without_ollama(settings: Settings) -> str | None:
    if settings.ollama_upstream_models is None or settings.ollama_base_url is not None:
        return None
    return "nobody says where that server is; set OLLAMA_BASE_URL=http://127.0.0.1:11434"


def _listed_twice(settings: Settings) -> str | None:
    """The list's own names are looked at where it is read."""
    seen: set[str] = set()
    listed = {name for each in allowed(settings) for name in all_names(each)}
    for listing in ollama_listings(settings):
        if all_names(listing) & (seen | listed):
            where = "MODEL_REGISTRY_PATH" if all_names(listing) & listed else "it"
            return f"{listing.name} is a name in {where} already; leave it out"
        seen |= all_names(listing)
    return None


def _two_limits(settings: Settings) -> str | None:
    other = settings.max_model_workers
    if other is None or settings.max_loaded_models in (None, other):
        return None
    return f"{other} is not what MAX_LOADED_MODELS says, which means the same; leave one out"


# The variables that a check reads, the one to blame first.
_LIST = (
    "MODEL_REGISTRY_PATH",
    "MODEL_ALLOW_LIST",
    "INCLUDE_DEFAULT_MODELS",
    "OLLAMA_BASE_URL",
    "OLLAMA_UPSTREAM_MODELS",
)
MODEL_CHECKS: tuple[tuple[tuple[str, ...], Callable[[Settings], str | None]], ...] = (
    (("MODEL_PATH",), _no_model),
    (("INCLUDE_DEFAULT_MODELS", *_LIST), _nothing_writes),
    (("DEFAULT_MODEL", "MODEL_NAME", *_LIST), _unknown_default),
    (("EMBEDDING_MODEL_NAME", "MODEL_NAME", *_LIST), _same_name),
    (("MODEL_REGISTRY_PATH", "MODEL_NAME", "EMBEDDING_MODEL_NAME", *_LIST), _one_name_twice),
    (("MODEL_ALLOW_LIST", *_LIST), _nobody_allowed),
    (("MAX_MODEL_WORKERS", "MAX_LOADED_MODELS"), _two_limits),
    (("OLLAMA_BASE_URL", "OLLAMA_UPSTREAM_MODELS"), _ollama_without_models),
    (("OLLAMA_UPSTREAM_MODELS", "OLLAMA_BASE_URL"), _models_without_ollama),
    (("OLLAMA_UPSTREAM_MODELS", "OLLAMA_BASE_URL", "MODEL_REGISTRY_PATH"), _listed_twice),
)
