"""Whether the model's file is here, is a GGUF, and is whole."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from server.hub.folder import Folder
from server.hub.parts import part_names
from server.hub.progress import amount
from server.hub.reference import CATALOGUE, Reference
from server.settings.model_file import bundled_model
from server.settings.registry_file import Listing
from server.settings.settings import Settings
from server.verdicts import Verdict, failed, note, ok

MAGIC = b"GGUF"
CHUNK_BYTES = 1 << 22


def file_of(settings: Settings, listing: Listing) -> Path | None:
    """Its first file, if it is here and this user may know that."""
    wanted = listing.local_model
    try:
        if isinstance(wanted, Reference):
            return Folder(settings.download_folder).find(wanted)
        return wanted if wanted.is_file() else None
    except PermissionError:
        return None


def missing(settings: Settings, listings: Sequence[Listing]) -> int:
    """Bytes that are still to be downloaded, as far as they are known."""
    wanted = (each.local_model for each in listings if file_of(settings, each) is None)
    return sum(each.size or 0 for each in wanted if isinstance(each, Reference))


def whole(settings: Settings, listing: Listing, file: Path | None, *, verify: bool) -> Verdict:
    """`file`: what was found of the model; None: nothing yet."""
    wanted = listing.local_model
    if file is None and isinstance(wanted, Reference):
        words = f"{wanted} is not in {settings.download_folder} yet"
        return note("model", words, f"gpt-api pull {wanted}, or start the server, which fetches it")
    files = (
        [Path(str(wanted))]
        if file is None
        else [file.with_name(name) for name in part_names(file.name)]
    )
    try:
        size = sum(each.stat().st_size for each in files)
        magic = {_begin(each) for each in files}
    except OSError as error:
        words = f"{error.filename} cannot be read ({error.strerror})"
        return failed("model", words, "give the server's user the right to read it")
    words = f"{listing.name}: {file}, {amount(size)}"
    if file is None or magic != {MAGIC}:
        return failed("model", f"{words}, is no GGUF", "download it again: gpt-api pull --force")
    if file == bundled_model():
        words = f"the demonstration model, which knows nothing ({file})"
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
