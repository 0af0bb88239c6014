"""Where a local model comes from: downloaded if need be, looked at, and made into an engine."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec

from server.core.errors import ServerError
from server.core.ports import ModelCard
from server.engines.supervision import Obtain, SupervisionOptions
from server.model_files.facts import ModelFacts
from server.registry.loading import Kind, Prepared, Say, Source

log = logging.getLogger(__name__)

Options = TypeVar("Options", bound=SupervisionOptions)


def model_source(
    options: Options, make: Callable[[Options], Kind], obtain: Obtain | None
) -> Source[Kind]:
    """What `make` makes of a model: of the file that the options name, or of what `obtain` gets."""

    async def prepare(say: Say) -> Prepared[Kind]:
        path = options.model.path if obtain is None else await obtain(say)
        found = replace(options, model=msgspec.structs.replace(options.model, path=path))
        needed = await asyncio.to_thread(_needed, found)
        return Prepared(needed_bytes=needed, make=lambda: make(found))

    def look() -> ModelCard | None:
        try:
            return ModelFacts(Path(options.model.path), options.model).card()
        except (OSError, ValueError) as error:
            log.debug("model %s: nothing is known before it is loaded: %s", options.name, error)
            return None

    return Source(prepare=prepare, look=look)


def _needed(options: SupervisionOptions) -> int:
    """Errors: ServerError."""
    try:
        return ModelFacts(Path(options.model.path), options.model).needed_bytes()
    except (OSError, ValueError) as error:
        raise ServerError(
            "engine_failed", f"The model {options.name} cannot be loaded: {error}"
        ) from error
