"""Snapshots on disk: one checksummed file each, written whole or not at all by a thread of its own.
The one place with file I/O; knows neither trees nor models.

What is damaged, or of another model or build, is removed and told once; it is never handed out.
"""

import fcntl
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from io import BufferedReader
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread

from server.worker.ports import Data
from server.worker.shelf import NAME_BYTES, NoShelf, Record, Shelf

MAGIC = b"GPTAPIK1"
# Magic, fingerprint, and the sizes of salt, path and snapshot.
HEAD = struct.Struct("<8s32sHIQ")
HEAD_DIGEST_BYTES = 32
CHECKSUM_BYTES = 4
BLOCK = 4096
OUR_NAMES = re.compile(rf"[0-9a-f]{{{2 * NAME_BYTES}}}\.snapshot(\.part)?")
CLOSE_GRACE_S = 3.0
# The time of last use of a cold file: before every other.
LONG_AGO = (1, 1)

Warn = Callable[[str], None]


class SnapshotFiles:
    """`prefix_store.Shelf` over a folder that no other process uses. `fingerprint` (32 bytes) says
    which model and build computed the snapshots; `capacity` is in bytes.
    """

    def __init__(self, folder: Path, fingerprint: bytes, capacity: int, warn: Warn) -> None:
        self.capacity = capacity
        self._folder = folder
        self._fingerprint = fingerprint
        self._warn = warn
        self._has_warned = False
        self._waiting: dict[str, Data] = {}
        self._lock = Lock()
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._finished: SimpleQueue[tuple[Record, bool]] = SimpleQueue()
        self._thread = Thread(target=self._work, name="snapshots", daemon=True)
        self._thread.start()

    def records(self) -> list[Record]:
        found = []
        faults = []
        for path in self._folder.iterdir():
            if OUR_NAMES.fullmatch(path.name):
                try:
                    found.append(self._inspect(path))
                except (OSError, ValueError) as error:
                    faults.append(str(error))
                    _remove(path)
        if faults:
            self._warn(f"Removed {len(faults)} unusable snapshot files; the first: {faults[0]}.")
        return [record for _, record in sorted(found, key=lambda each: each[0])]

    def bytes_of(self, record: Record) -> int:
        size = self._payload_start(record) + record.size + CHECKSUM_BYTES
        return -(-size // BLOCK) * BLOCK

    def write(self, record: Record, data: Data, cold: bool) -> None:
        with self._lock:
            self._waiting[record.name] = data
        self._jobs.put(partial(self._write, record, cold))

    def withdraw(self, record: Record) -> bool:
        with self._lock:
            return self._waiting.pop(record.name, None) is not None

    def finished(self) -> Iterator[tuple[Record, bool]]:
        while True:
            try:
                yield self._finished.get_nowait()
            except Empty:
                return

    def read(self, record: Record) -> Data | None:
        path = self._path(record)
        try:
            with _open(path) as file:
                head = file.read(self._payload_start(record))
                data = bytearray(record.size)
                size = file.readinto(data)
                checksum = file.read(CHECKSUM_BYTES + 1)
        except OSError as error:
            self._warn(f"A snapshot could not be read: {error}.")
        else:
            whole = size == record.size and head == self._head(record)
            if whole and checksum == _checksum(head, data):
                return data
            self._warn(f"Removed the damaged snapshot {path.name}.")
        self._jobs.put(partial(_remove, path))
        return None

    def touch(self, record: Record) -> None:
        self._jobs.put(partial(_touch, self._path(record)))

    def remove(self, record: Record) -> None:
        self._jobs.put(partial(_remove, self._path(record)))

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join(CLOSE_GRACE_S)

    def _path(self, record: Record) -> Path:
        return self._folder / f"{record.name}.snapshot"

    # --- what a file looks like ----------------------------------------------------------------

    def _head(self, record: Record) -> bytes:
        sizes = (len(record.salt), len(record.path), record.size)
        head = HEAD.pack(MAGIC, self._fingerprint, *sizes) + record.salt + record.path
        return head + sha256(head).digest()

    @staticmethod
    def _payload_start(record: Record) -> int:
        return HEAD.size + len(record.salt) + len(record.path) + HEAD_DIGEST_BYTES

    def _inspect(self, path: Path) -> tuple[int, Record]:
        """When a file was used last, and what it holds. Errors: OSError, ValueError saying why it
        is unusable.
        """
        with _open(path) as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid():
                raise ValueError(f"{path.name} belongs to another user")
            head = file.read(HEAD.size)
            if len(head) < HEAD.size:
                raise ValueError(f"{path.name} is cut off")
            magic, fingerprint, salt, ids, size = HEAD.unpack(head)
            if magic != MAGIC or fingerprint != self._fingerprint:
                raise ValueError(f"{path.name} was made by another model or build")
            if status.st_size != HEAD.size + salt + ids + HEAD_DIGEST_BYTES + size + CHECKSUM_BYTES:
                raise ValueError(f"{path.name} is cut off")
            record = Record(file.read(salt), file.read(ids), size)
            digest = file.read(HEAD_DIGEST_BYTES)
        if self._head(record)[-HEAD_DIGEST_BYTES:] != digest or self._path(record) != path:
            raise ValueError(f"{path.name} is damaged")
        return status.st_mtime_ns, record

    # --- the writing thread --------------------------------------------------------------------

    def _work(self) -> None:
        while job := self._jobs.get():
            job()

    def _write(self, record: Record, cold: bool) -> None:
        with self._lock:
            data = self._waiting.pop(record.name, None)
        if data is None:
            return
        path = self._path(record)
        part = path.with_name(f"{path.name}.part")
        try:
            head = self._head(record)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(os.open(part, flags, 0o600), "wb") as file:
                for piece in (head, data, _checksum(head, data)):
                    file.write(piece)
            if cold:
                os.utime(part, ns=LONG_AGO)
            part.replace(path)
        except OSError as error:
            _remove(part)
            if not self._has_warned:
                self._has_warned = True
                self._warn(f"A snapshot could not be written to {self._folder}: {error}.")
            self._finished.put((record, False))
        else:
            self._finished.put((record, True))


def open_shelf(folder: str, fingerprint: bytes, capacity: int, warn: Warn) -> Shelf:
    """The files of a folder, made if need be; none, with a warning, where it cannot be used."""
    if not folder or not capacity:
        return NoShelf()
    path = Path(folder)
    try:
        _take(path)
    except BlockingIOError:
        warn(f"Another process uses {path}: prompts are not kept on disk; set PREFIX_CACHE_DIR.")
        return NoShelf()
    except OSError as error:
        warn(f"Prompts are not kept on disk: {error}; set PREFIX_CACHE_DIR to a folder of its own.")
        return NoShelf()
    return SnapshotFiles(path, fingerprint, capacity, warn)


def _take(folder: Path) -> None:
    """Make the folder this process's own until it ends, however it ends. Errors: OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.scandir(folder).close()
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise


def _open(path: Path) -> BufferedReader:
    return open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _checksum(head: bytes, data: Data) -> bytes:
    return zlib.crc32(data, zlib.crc32(head)).to_bytes(CHECKSUM_BYTES, "little")


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        # Gone, or another's: its time of last use is a hint, and reading it will tell.
        return


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # Not ours to remove; it will not be read either.
        return
