"""Reads API_KEYS_FILE again when it changes, or when told to. A table that cannot be used changes
nothing; the keys of API_KEYS stay as they are. Nor does an empty one: who has keys is not laid open
by an edit.
"""

import logging
import os
from pathlib import Path

from server.auth.ring import KeyRing
from server.settings.checks import contradictions
from server.settings.settings import Settings
from server.settings.values import KeyFile, read_key_file

log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]


class KeyReload:
    """Keeps `ring` as the file says. Without a file there is nothing to do."""

    def __init__(self, settings: Settings, ring: KeyRing) -> None:
        self._settings = settings
        self._ring = ring
        self._stamp: Stamp | None = None
        self._looked = False

    def check(self) -> None:
        """Read the file if it has changed since it was looked at last."""
        file = self._settings.api_keys_file
        if file is None:
            return
        stamp = _stamp(file.path)
        if not self._looked or stamp != self._stamp:
            self._looked, self._stamp = True, stamp
            self._read(file.path)

    def reload(self) -> None:
        """Read the file now."""
        if self._settings.api_keys_file is None:
            log.info("API_KEYS_FILE is not set: there are no keys to read again")
        else:
            self._looked = False
            self.check()

    def _read(self, path: Path) -> None:
        try:
            settings = self._with(read_key_file(str(path)))
        except ValueError as error:
            log.error("API_KEYS_FILE: %s; the keys stay as they were", error)
            return
        table = settings.keys
        if list(table) != list(self._ring.table):
            self._ring.exchange(table)
            log.info("the keys were read again: %s (%s)", table, ", ".join(table.users()))

    def _with(self, file: KeyFile) -> Settings:
        """The settings with what the file says now. Errors: ValueError where that cannot be."""
        settings = self._settings.model_copy(update={"api_keys_file": file})
        for problem in contradictions(settings, ()):
            raise ValueError(str(problem))
        if settings.keys.open and not self._ring.table.open and not settings.allow_anonymous:
            raise ValueError(
                f"{file.path} has no keys any more, and everybody would be let in; put one in, or"
                " set ALLOW_ANONYMOUS=1 or leave API_KEYS_FILE out, and start the server again"
            )
        return settings


def _stamp(path: Path) -> Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
