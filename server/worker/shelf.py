"""The seam between the prefix store and whatever keeps snapshots beyond the process. Knows neither
files nor trees.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from server.worker.ports import Data

NAME_BYTES = 20


@dataclass(frozen=True, slots=True)
class Record:
    """A snapshot without its bytes: whose it is, of which ids (packed), and how large. Its name is
    the same for the same salt and ids, wherever and whenever.
    """

    salt: bytes
    path: bytes
    size: int
    name: str = field(init=False)

    def __post_init__(self) -> None:
        digest = sha256(len(self.salt).to_bytes(2, "big") + self.salt + self.path)
        object.__setattr__(self, "name", digest.hexdigest()[: 2 * NAME_BYTES])


class Shelf(Protocol):
    """The tier that outlives the process. What it is told is done in that order, later."""

    capacity: int

    def records(self) -> Iterable[Record]:
        """What is there at the start, the least lately used first."""

    def bytes_of(self, record: Record) -> int:
        """What a snapshot takes, its file's head included."""
        ...

    def write(self, record: Record, data: Data, cold: bool) -> None:
        """Begin to keep it; `finished` tells the outcome. Cold: as if not used for long."""

    def withdraw(self, record: Record) -> bool:
        """Take back a write. False: it has begun."""
        ...

    def finished(self) -> Iterable[tuple[Record, bool]]:
        """The writes that have ended since the last call, and whether they succeeded."""

    def read(self, record: Record) -> Data | None:
        """The bytes; None when they are damaged or gone, and then it is removed."""

    def touch(self, record: Record) -> None:
        """It was used just now."""

    def remove(self, record: Record) -> None: ...

    def close(self) -> None:
        """Finish what was begun, within seconds."""


class NoShelf:
    """The shelf of those who have none: without room, nothing is ever written to it."""

    capacity = 0

    def records(self) -> Iterable[Record]:
        return ()

    def bytes_of(self, record: Record) -> int:
        return max(record.size, 1)

    def write(self, record: Record, data: Data, cold: bool) -> None: ...

    def withdraw(self, record: Record) -> bool:  # noqa: ARG002
        return False

    def finished(self) -> Iterable[tuple[Record, bool]]:
        return ()

    def read(self, record: Record) -> Data | None:  # noqa: ARG002
        return None

    def touch(self, record: Record) -> None: ...

    def remove(self, record: Record) -> None: ...

    def close(self) -> None: ...
