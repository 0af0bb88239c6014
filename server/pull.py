"""The command `pull`: downloads a model, shows how far it is, says in one sentence how it ended.

Where the words are shown is not known here.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from server.hub.client import Hub
from server.hub.download import Download
from server.hub.errors import ErrorKind, HubError
from server.hub.folder import Folder
from server.hub.progress import Progress, Steps, bar
from server.hub.reference import Reference

# The settings that concern it.
SETTINGS = frozenset({"GPT_API_ENV_FILE", "MODELS_DIR", "HF_ENDPOINT", "HF_TOKEN"})
INTERRUPTED = 130
# The numbers of sysexits.h, which systemd and shells know too.
EXIT_CODES: Mapping[ErrorKind, int] = MappingProxyType(
    {
        "unknown": 66,
        "forbidden": 77,
        "unavailable": 69,
        "offline": 69,
        "damaged": 65,
        "occupied": 73,
        "disk": 74,
    }
)
REDRAW_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Where words go, as they are. `columns`: the width of a terminal; 0: it is none."""

    write: Callable[[str], None]
    columns: int


class Bar:
    """A line that is drawn over and over."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._drawn_at = 0.0
        self._last: Progress | None = None

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        self._last = progress
        if progress.note or now - self._drawn_at >= REDRAW_S:
            self._drawn_at = now
            self._draw(progress)

    def end(self) -> None:
        """Leave the last state standing."""
        if self._last is not None:
            self._draw(self._last)
            self._screen.write("\n")

    def _draw(self, progress: Progress) -> None:
        columns = self._screen.columns
        self._screen.write(f"\r{bar(progress, columns).ljust(columns - 1)}")


class Lines:
    """What is shown where nothing can be drawn over."""

    def __init__(self, screen: Screen) -> None:
        self._steps = Steps(lambda text: screen.write(f"{text}\n"))
        self.show = self._steps.show

    def end(self) -> None:
        """Nothing is left open."""


def run(hub: Hub, folder: Path, reference: Reference, screen: Screen, *, force: bool) -> int:
    """Download; returns the exit code, after one sentence if it failed."""
    display = Bar(screen) if screen.columns else Lines(screen)
    download = Download(hub, Folder(folder), display.show, force=force)
    try:
        path = asyncio.run(download.run(reference))
    except HubError as error:
        display.end()
        screen.write(f"{error}\n")
        return EXIT_CODES[error.kind]
    except KeyboardInterrupt:
        display.end()
        screen.write("stopped; the same command goes on from here\n")
        return INTERRUPTED
    display.end()
    screen.write(f"{reference} is at {path}\n")
    return 0
