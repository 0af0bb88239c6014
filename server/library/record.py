"""Remembers in a file which models clients had added, and which names they gave, over restarts."""

import logging
import os
from pathlib import Path

import msgspec

log = logging.getLogger(__name__)

FILE_NAME = "served.json"


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was added: its name, and its (first) file in the folder of downloads."""

    name: str
    file: str
    repository: str | None = None


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, and further names: copy -> the model's own."""

    models: tuple[Kept, ...] = ()
    copies: dict[str, str] = {}

    def of(self, name: str) -> Kept | None:
        """The model of exactly this name."""
        return next((kept for kept in self.models if kept.name == name), None)

    def with_model(self, kept: Kept) -> "Record":
        return Record(models=(*self.models, kept), copies=self.copies)

    def with_copy(self, copy: str, name: str) -> "Record":
        return Record(models=self.models, copies={**self.copies, copy: name})

    def without_copy(self, copy: str) -> "Record":
        copies = {each: name for each, name in self.copies.items() if each != copy}
        return Record(models=self.models, copies=copies)

    def without_model(self, name: str) -> "Record":
        """Without the model and every other name of it."""
        models = tuple(kept for kept in self.models if kept.name != name)
        copies = {copy: each for copy, each in self.copies.items() if each != name}
        return Record(models=models, copies=copies)


class RecordFile:
    """The record of one folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def read(self) -> Record:
        """What was written last; nothing where that cannot be read, which the log then says."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Record)
        except FileNotFoundError:
            return Record()
        except (OSError, msgspec.DecodeError) as error:
            log.warning(
                "%s cannot be read (%s): the models that it names are not served",
                self._path,
                error,
            )
            return Record()

    def write(self, record: Record) -> None:
        """As a whole or not at all. Errors: OSError."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f"{FILE_NAME}.{os.getpid()}")
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        unfinished.replace(self._path)
