"""The folder that downloads land in: what is there already, and how much room there is."""

import os
import re
import shutil
from pathlib import Path

from server.hub.errors import HubError
from server.hub.parts import part_names
from server.hub.progress import amount
from server.hub.reference import Reference

# Which file a name without one stood for, so that nobody has to ask the hub again.
RECORDS = ".hub"


class Folder:
    """A folder on this machine. Nothing here asks the hub."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, reference: Reference) -> Path | None:
        """The first file of the model, if all of it is here."""
        name = _own_name(reference) or self._recall(reference)
        if not name:
            return None
        files = [self.path / each for each in part_names(name)]
        whole = all(file.is_file() for file in files)
        if whole and reference.size is not None:
            whole = files[0].stat().st_size == reference.size
        return files[0] if whole else None

    def remember(self, reference: Reference, name: str) -> None:
        """Note that this reference means the file `name`, unless it says so itself."""
        if _own_name(reference):
            return
        record = self._record(reference)
        record.parent.mkdir(exist_ok=True)
        unfinished = record.with_name(f"{record.name}.{os.getpid()}")
        unfinished.write_text(f"{name}\n", encoding="utf-8")
        unfinished.replace(record)

    def make(self) -> None:
        """Errors: HubError where it cannot be made or written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HubError(
                "disk",
                f"{self.path} cannot be made ({error.strerror}); set MODELS_DIR to a folder that"
                " this user may write",
            ) from None

    def check_room(self, needed: int) -> None:
        """Errors: HubError where so many bytes do not fit."""
        free = shutil.disk_usage(self.path).free
        if needed > free:
            raise HubError(
                "disk",
                f"the download needs {amount(needed)} and {self.path} has {amount(free)} free;"
                f" free another {amount(needed - free)} there, or choose another folder"
                " (MODELS_DIR, or pull --to DIR)",
            )

    def _recall(self, reference: Reference) -> str:
        try:
            text = self._record(reference).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""
        return Path(text.strip()).name

    def _record(self, reference: Reference) -> Path:
        return self.path / RECORDS / re.sub(r"[^A-Za-z0-9._-]", "--", str(reference))


def _own_name(reference: Reference) -> str:
    """The name of the file here, where the reference holds it."""
    name = Path(reference.file or "").name
    return name if name.lower().endswith(".gguf") else ""
