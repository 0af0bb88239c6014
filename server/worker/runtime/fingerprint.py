"""What decides whether a snapshot fits: the model file, the build of llama.cpp, how it computes.

A file of gigabytes is known by its size, its time and samples of it; reading it whole would take
longer than loading it.
"""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import llama_cpp
import llama_cpp.llama_cpp as llama

SAMPLES = 64
SAMPLE_BYTES = 64 << 10
PART = re.compile(r"-\d{5}(-of-\d{5}\.gguf)\Z")


def fingerprint(path: str, *facts: object) -> bytes:
    """32 bytes that differ where snapshots must not be exchanged. `facts`: what else matters about
    the way this process computes.
    """
    digest = sha256()
    for file in parts(Path(path)):
        status = file.stat()
        digest.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
        for sample in _samples(file, status.st_size):
            digest.update(sample)
    library = Path(llama._lib._name).stat()
    build = (llama_cpp.__version__, library.st_size, library.st_mtime_ns)
    digest.update(repr((build, llama.llama_print_system_info(), facts)).encode())
    return digest.digest()


def parts(path: Path) -> list[Path]:
    """The file, or all parts of a model that was split."""
    part = PART.search(path.name)
    if part is None:
        return [path]
    begin, end = path.name[: part.start()], part[1]
    files = sorted(path.parent.iterdir())
    return [file for file in files if PART.sub(r"\1", file.name) == f"{begin}{end}"]


def _samples(file: Path, size: int) -> Iterator[bytes]:
    with file.open("rb") as opened:
        for index in range(SAMPLES):
            opened.seek(index * size // SAMPLES)
            yield opened.read(SAMPLE_BYTES)
