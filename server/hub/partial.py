"""A file that is not whole yet: it grows, is hashed on the way, and one process at a time has it.

The kernel drops the lock when its process ends, however it ends. Every call here may block.
"""

import fcntl
import hashlib
import os
from pathlib import Path

from typing_extensions import Self

MAGIC = b"GGUF"
READ_BYTES = 64 << 20
# What is received goes to the disk in such pieces: more would leave hundreds of megabytes to be
# written when the server has to stop, and push other files out of memory.
SYNC_BYTES = 256 << 20


class Partial:
    """An open and locked file. `hashed` is how much of its `size` the checksum covers."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._sum = hashlib.sha256()
        self._unsynced = 0
        self.size = os.fstat(descriptor).st_size
        self.hashed = 0

    @classmethod
    def open(cls, path: Path) -> Self | None:
        """The file, made where it is missing; None while somebody else has it."""
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(descriptor, path):
                    return cls(path, descriptor)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
            # Whoever had it finished it, and it has another name now.
            os.close(descriptor)

    def read_back(self) -> None:
        """Hash the next piece of what was there before."""
        data = os.pread(self._descriptor, min(READ_BYTES, self.size - self.hashed), self.hashed)
        if not data:
            raise OSError(f"{self._path} became shorter while it was read")
        self._sum.update(data)
        self.hashed += len(data)

    def append(self, data: bytes) -> None:
        """Write at the end. When the disk is full, what went in stays and counts."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, self.size)
            self._sum.update(view[:written])
            self.size += written
            self.hashed += written
            self._unsynced += written
            view = view[written:]
        if self._unsynced >= SYNC_BYTES:
            os.fdatasync(self._descriptor)
            self._unsynced = 0

    def is_gguf(self) -> bool:
        """Whether it begins like one, as far as it goes."""
        return MAGIC.startswith(os.pread(self._descriptor, len(MAGIC), 0))

    def digest(self) -> str:
        return self._sum.hexdigest()

    def reset(self) -> None:
        """Begin anew."""
        os.ftruncate(self._descriptor, 0)
        self._sum = hashlib.sha256()
        self.size = self.hashed = 0

    def finish(self, target: Path) -> None:
        """Give the whole file its name, at once and for good; what had the name is replaced."""
        os.fsync(self._descriptor)
        self._path.replace(target)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        os.close(self._descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
