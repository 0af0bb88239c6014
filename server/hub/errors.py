"""The one exception of a download: what went wrong, and whether trying again may help."""

from typing import Literal, TypeAlias

# unknown: no such repository or file, or several that could be meant; offline: told to stay off the
# network; damaged: what came is not what was asked for; occupied: another file stands in the way.
ErrorKind: TypeAlias = Literal[
    "unknown", "forbidden", "unavailable", "offline", "damaged", "occupied", "disk"
]


class HubError(Exception):
    """One sentence: what is wrong and the way out. `retry_after`: seconds that the hub asks for."""

    def __init__(self, kind: ErrorKind, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.retry_after = retry_after

    @property
    def temporary(self) -> bool:
        """Whether the same may succeed in a while."""
        return self.kind == "unavailable"
