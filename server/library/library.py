"""The models that clients add and remove while the server runs, and the further names that they
give: downloaded, served, remembered.

Knows neither HTTP nor how an engine is made.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

from server.core.errors import ErrorKind, ServerError
from server.hub.errors import ErrorKind as HubErrorKind
from server.hub.errors import HubError
from server.hub.parts import part_names
from server.hub.progress import Progress
from server.hub.reference import Reference
from server.library.names import place_of, plain_name
from server.library.pulls import Fetch, Pulls
from server.library.record import Kept, Record, RecordFile
from server.registry.entries import Served
from server.registry.registry import Registry

log = logging.getLogger(__name__)

# What a failure of the hub is to a client of this server.
_KINDS: dict[HubErrorKind, ErrorKind] = {
    "unknown": "model_not_found",
    # The hub does not tell strangers what is private from what is missing.
    "forbidden": "model_not_found",
    "unavailable": "upstream_failed",
    "offline": "upstream_failed",
    "damaged": "upstream_failed",
    "occupied": "engine_failed",
    "disk": "engine_failed",
}


class Library:
    """Adds to a registry and takes from it. `make` makes an entry of a model in `folder`; `needed`
    tells whether the server's settings name a file. Errors of every method: ServerError.
    """

    def __init__(
        self,
        folder: Path,
        fetch: Fetch,
        make: Callable[[Kept, Path], Served],
        needed: Callable[[Path], bool],
    ) -> None:
        self._folder = folder
        self._pulls = Pulls(fetch)
        self._make = make
        self._needed = needed
        self._file = RecordFile(folder)
        self._record = Record()
        self._one_at_a_time = asyncio.Lock()

    def recall(self, registry: Registry) -> None:
        """Serve again what was served before; what has gone meanwhile is left out, and said."""
        self._registry = registry
        self._record = self._file.read()
        for kept in self._record.models:
            path = self._folder / kept.file
            if not path.is_file():
                log.warning("model %s is not served: %s is gone", kept.name, path)
                continue
            try:
                registry.enter(self._make(kept, path))
            except (ValueError, ServerError) as error:
                log.warning("model %s is not served: %s", kept.name, error)
        for copy, name in self._record.copies.items():
            try:
                registry.alias(copy, name)
            except ServerError as error:
                log.warning("the name %s is not served: %s", copy, error.message)

    async def close(self) -> None:
        """End the downloads."""
        await self._pulls.close()

    def find(self, name: str) -> Reference | None:
        """Where a model is that is not served yet; None for one that is."""
        plain = self._plain(name)
        if (entry := self._registry.get(plain)) is not None:
            _check_real(entry, name)
            return None
        try:
            return place_of(plain)
        except ValueError as error:
            raise _missing(str(error)) from None

    async def pull(self, name: str, reference: Reference) -> AsyncGenerator[Progress, None]:
        """Download a model and serve it under this name, which is not served yet. Leaving ends the
        download unless somebody else waits for it too.
        """
        try:
            async with aclosing(self._pulls.watch(reference)) as news:
                async for each in news:
                    if isinstance(each, Progress):
                        yield each
                    else:
                        await self._serve(self._plain(name), reference, each)
        except HubError as error:
            if error.kind == "unknown":
                raise _missing(str(error)) from error
            raise ServerError(_KINDS[error.kind], str(error)) from error

    async def copy(self, source: str, destination: str) -> None:
        """Let a model answer to one more name."""
        target = self._plain(destination)
        async with self._one_at_a_time:
            entry = self._registry.get(self._plain(source))
            if entry is None:
                raise ServerError(
                    "model_not_found", f'model "{source[:100]}" not found', param="source"
                )
            if self._registry.get(target) is entry:
                return
            self._registry.alias(target, entry.name)
            await self._remember(self._record.with_copy(target, entry.name))

    async def delete(self, name: str) -> None:
        """Take a name away, or a model with its file once its requests have ended."""
        async with self._one_at_a_time:
            gone, kept = await self._forget(name)
        await self._registry.remove(gone)
        if kept is not None:
            await asyncio.to_thread(self._erase, kept)

    async def _forget(self, name: str) -> tuple[str, Kept | None]:
        """Remember a name or a model no more: the name to take away, and the model if it is one."""
        plain = self._plain(name)
        entry = self._registry.get(plain)
        if entry is None:
            raise ServerError("model_not_found", f"model '{name[:100]}' not found", param="model")
        copies = [each for each in self._record.copies if each.lower() == plain.lower()]
        if copies:
            await self._remember(self._record.without_copy(copies[0]))
            return copies[0], None
        kept = self._record.of(entry.name)
        if kept is None:
            raise ServerError(
                "invalid",
                f"model '{name[:100]}' is named by the settings of this server; remove it there.",
                param="model",
            )
        await self._remember(self._record.without_model(kept.name))
        return kept.name, kept

    async def _serve(self, name: str, reference: Reference, path: Path) -> None:
        async with self._one_at_a_time:
            if self._registry.get(name) is not None:
                return
            same = next((kept for kept in self._record.models if kept.file == path.name), None)
            if same is not None and self._registry.get(same.name) is not None:
                # One file, one model in memory, whatever it is called.
                self._registry.alias(name, same.name)
                await self._remember(self._record.with_copy(name, same.name))
                return
            kept = Kept(name=name, file=path.name, repository=reference.repo)
            try:
                entry = await asyncio.to_thread(self._make, kept, path)
            except (ValueError, OSError) as error:
                raise ServerError(
                    "upstream_failed", f"{reference} was downloaded and is of no use: {error}"
                ) from error
            await self._registry.add(entry)
            await self._remember(self._record.with_model(kept))

    async def _remember(self, record: Record) -> None:
        try:
            await asyncio.to_thread(self._file.write, record)
        except OSError as error:
            raise ServerError(
                "engine_failed",
                f"{self._folder} cannot be written ({error.strerror}); have the operator set"
                " MODELS_DIR to a folder that the server's user may write.",
            ) from error
        self._record = record

    def _erase(self, kept: Kept) -> None:
        """Errors: ServerError; what is missing already does not matter."""
        path = self._folder / kept.file
        again = any(each.file == kept.file for each in self._record.models)
        if again or self._needed(path):
            return
        try:
            for name in part_names(kept.file):
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise ServerError(
                "engine_failed", f"{path} could not be removed ({error.strerror})."
            ) from error

    def _plain(self, name: str) -> str:
        try:
            return plain_name(name)
        except ValueError as error:
            raise ServerError("invalid", str(error), param="model") from None


def _check_real(entry: Served, name: str) -> None:
    """Errors: ServerError where the demonstration model stands where a real one is wanted."""
    card = entry.engine.card()
    if card is not None and card.demonstration:
        raise ServerError(
            "invalid",
            f"the name {name[:100]} is that of the demonstration model here; start the server with"
            " MODEL_PATH=gpt-oss-20b, which downloads the real one.",
            param="model",
        )


def _missing(reason: str) -> ServerError:
    # As Ollama begins.
    return ServerError(
        "model_not_found", f"pull model manifest: file does not exist: {reason}", param="model"
    )
