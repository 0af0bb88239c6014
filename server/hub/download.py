"""Gets a model into a folder: room, parts, resuming, checksums, patience; one of many askers does.

What is unfinished stays for the next time, whatever ended this one.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from server.hub.client import Hub, Listing
from server.hub.errors import HubError
from server.hub.folder import Folder
from server.hub.listing import HubFile, choose
from server.hub.partial import Partial
from server.hub.progress import Meter, Report, amount
from server.hub.reference import Reference

Result = TypeVar("Result")

# How often to look whether another process has finished. The lock of a file tells nobody.
LOCK_POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """What a failing network costs: `attempts` in a row that bring nothing (None: any number), with
    `backoff_s` seconds after the first and twice as many after each, up to `limit_s`.
    """

    attempts: int | None = 5
    backoff_s: float = 1.0
    limit_s: float = 60.0

    def pause(self, failures: int, error: HubError) -> float:
        """Seconds to wait. Errors: the given one, when there were enough failures."""
        if not error.temporary or (self.attempts is not None and failures >= self.attempts):
            raise error
        return error.retry_after or min(self.backoff_s * 2 ** min(failures - 1, 20), self.limit_s)


class Download:
    """One model's way here. `force` fetches it even where it is here already."""

    def __init__(
        self,
        hub: Hub,
        folder: Folder,
        report: Report,
        *,
        patience: Patience | None = None,
        force: bool = False,
    ) -> None:
        self._hub = hub
        self._folder = folder
        self._report = report
        self._patience = patience or Patience()
        self._force = force
        self._meter = Meter(0)

    async def run(self, reference: Reference) -> Path:
        """The model's first file, when all of it is here. Errors: HubError.

        Cancelling ends it at once; the next run goes on from there.
        """
        if not self._force and (found := self._folder.find(reference)):
            return found
        try:
            return await self._fetch(reference)
        except OSError as error:
            raise self._disk_error(error) from error

    async def _fetch(self, reference: Reference) -> Path:
        listing = await self._persist(lambda: self._hub.list(reference.repo))
        files = choose(reference, listing.files)
        self._folder.make()
        self._folder.check_room(sum(self._missing(file) for file in files))
        self._meter = Meter(sum(file.size for file in files), sha256=files[0].sha256)
        self._report(self._meter.progress())
        for file in files:
            await self._get(listing, file)
        self._folder.remember(reference, files[0].name)
        return self._folder.path / files[0].name

    def _missing(self, file: HubFile) -> int:
        """Bytes that the disk still has to take."""
        if self._is_here(file):
            return 0
        partial = self._partial_path(file)
        return file.size - (partial.stat().st_size if partial.is_file() else 0)

    def _is_here(self, file: HubFile, *, waited: bool = False) -> bool:
        """Whether the file has its name already. Errors: HubError where another file has it."""
        target = self._folder.path / file.name
        if (self._force and not waited) or not target.exists():
            return False
        if target.is_file() and target.stat().st_size == file.size:
            return True
        raise HubError(
            "occupied",
            f"{target} is another file ({amount(target.stat().st_size)} instead of"
            f" {amount(file.size)}); remove it, or replace it with pull --force",
        )

    def _partial_path(self, file: HubFile) -> Path:
        # Pieces of different files never meet, even under one name.
        tag = (file.sha256 or str(file.size))[:8]
        return self._folder.path / f"{file.name}.{tag}.part"

    # --- one file ------------------------------------------------------------------------------

    async def _get(self, listing: Listing, file: HubFile) -> None:
        partial = await self._acquire(file)
        if partial is None:
            self._meter.find(file.size)
            return
        try:
            await self._read_back(partial, file)
            await self._persist(lambda: self._receive(listing, file, partial))
            self._verify(partial, file)
            await _in_thread(partial.finish, self._folder.path / file.name)
        finally:
            partial.close()

    async def _acquire(self, file: HubFile) -> Partial | None:
        """The unfinished file; None when the whole one is here, by now or by somebody else."""
        waited = False
        while not self._is_here(file, waited=waited):
            partial = Partial.open(self._partial_path(file))
            if partial is not None:
                if not self._is_here(file, waited=waited):
                    return partial
                partial.discard()
                partial.close()
                break
            waited = True
            self._report(self._meter.progress("another process downloads it"))
            await asyncio.sleep(LOCK_POLL_S)
        return None

    async def _read_back(self, partial: Partial, file: HubFile) -> None:
        """Hash what an earlier run left."""
        if partial.size > file.size:
            partial.reset()
        while partial.hashed < partial.size:
            before = partial.hashed
            await _in_thread(partial.read_back)
            self._meter.find(partial.hashed - before)
            self._report(self._meter.progress("reading what is here already"))
        self._meter.restart()

    async def _receive(self, listing: Listing, file: HubFile, partial: Partial) -> None:
        """One connection's worth of bytes, to the end of the file. Errors: HubError."""
        if partial.size == file.size:
            return
        async with self._hub.open(listing, file, partial.size) as body:
            if body.offset == 0:
                self._meter.find(-partial.size)
                partial.reset()
            async for chunk in body.chunks:
                await _in_thread(partial.append, chunk)
                self._meter.receive(len(chunk))
                self._report(self._meter.progress())
                if not partial.is_gguf() or partial.size > file.size:
                    break
        if not partial.is_gguf():
            partial.discard()
            raise HubError("damaged", f"{file.path} in {listing.repo} is not a GGUF file")
        if partial.size < file.size:
            raise HubError("unavailable", "the connection ended too early; check the network")

    def _verify(self, partial: Partial, file: HubFile) -> None:
        if partial.size == file.size and file.sha256 in (None, partial.digest()):
            return
        partial.discard()
        got, wanted = f"{partial.size} bytes", f"{file.size}"
        if partial.size == file.size:
            got, wanted = f"sha256 {partial.digest()}", f"{file.sha256}"
        raise HubError(
            "damaged",
            f"{file.name} arrived damaged, with {got} instead of {wanted}, and was removed;"
            " download it again",
        )

    # --- what goes wrong -----------------------------------------------------------------------

    async def _persist(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Try until it succeeds or patience ends. Errors: HubError."""
        failures = 0
        while True:
            before = self._meter.received
            try:
                return await attempt()
            except HubError as error:
                failures = 1 if self._meter.received > before else failures + 1
                pause = self._patience.pause(failures, error)
                self._report(self._meter.progress(f"{error}; next try in {pause:.0f} s"))
            await asyncio.sleep(pause)
            self._meter.restart()

    def _disk_error(self, error: OSError) -> HubError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            progress = self._meter.progress()
            return HubError(
                "disk",
                f"the disk of {self._folder.path} is full; {amount(progress.done)} of"
                f" {amount(progress.total)} are there and kept: free the rest and start it again",
            )
        reason = error.strerror or str(error)
        return HubError(
            "disk",
            f"{error.filename or self._folder.path} cannot be written ({reason}); set MODELS_DIR"
            " to a folder that this user may write",
        )


async def _in_thread(call: Callable[..., None], *arguments: object) -> None:
    """Let it come to its end even when cancelled: nothing may be closed under a write."""
    running = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise
