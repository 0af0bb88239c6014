"""Whether the model's file is here, is a GGUF, and is whole."""

from hashlib import sha256
from pathlib import Path

from server.hub.parts import part_names
from server.hub.reference import CATALOGUE, Reference
from server.settings import Settings
from server.verdicts import Verdict, failed, note, ok

MAGIC = b"GGUF"
CHUNK_BYTES = 1 << 22


def whole(settings: Settings, file: Path | None, *, verify: bool) -> Verdict:
    """`file`: what was found of the model; None: nothing yet."""
    wanted = settings.model_path
    if file is None:
        name = str(wanted) if isinstance(wanted, Reference) else "gpt-oss-20b"
        words = f"{name} is not in {settings.download_folder} yet"
        return note("model", words, f"gpt-api pull {name}, or start the server, which fetches it")
    files = [file.with_name(name) for name in part_names(file.name)]
    try:
        size = sum(each.stat().st_size for each in files)
        magic = {_begin(each) for each in files}
    except OSError as error:
        words = f"{error.filename} cannot be read ({error.strerror})"
        return failed("model", words, "give the server's user the right to read it")
    if magic != {MAGIC}:
        return failed("model", f"{file} is no GGUF file", "download it again: gpt-api pull --force")
    words = f"{file}, {size / 1e9:.2f} GB"
    if settings.demonstration:
        words = f"the demonstration model, which knows nothing ({words})"
        return note("model", words, "set MODEL_PATH=gpt-oss-20b")
    return _compared(words, file, size, verify=verify)


def _compared(words: str, file: Path, size: int, *, verify: bool) -> Verdict:
    known = next((each for each in CATALOGUE.values() if each.file == file.name), None)
    again = f"download it again: gpt-api pull {known or ''} --force".replace("  ", " ")
    if known is not None and known.size not in (None, size):
        return failed("model", f"{words}, where {known.size} bytes belong", again)
    if not verify:
        return ok("model", words)
    digest = checksum(file)
    if known is None or known.sha256 is None:
        return ok("model", f"{words}, sha256 {digest}: compare it with that of its page")
    if digest != known.sha256:
        return failed("model", f"{words}, is damaged: its sha256 is {digest}", again)
    return ok("model", f"{words}, its sha256 is right")


def checksum(file: Path) -> str:
    """SHA-256 in hexadecimal."""
    digest = sha256()
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _begin(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(len(MAGIC))
