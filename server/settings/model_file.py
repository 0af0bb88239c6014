"""Finds the GGUF that a path means: a file, a directory that holds one, or a prefix of its name;
or else the model on a hub that it names.

Only names and the first four bytes are looked at; what is inside the model is not known here.
"""

import sys
from pathlib import Path

from server.hub.parts import part_names, stem
from server.hub.reference import Reference, is_reference, read_reference

FILE_NAME = "gpt-oss-tiny.gguf"
_ROOT = Path(__file__).resolve().parents[2]
# The demonstration model: beside the sources in a checkout, under the prefix in an installed wheel.
BUNDLED_PLACES = (
    _ROOT / "models" / FILE_NAME,
    Path(sys.prefix) / "share" / "gpt-api" / "models" / FILE_NAME,
)

# Downloads land beside it, unless the settings or the environment say otherwise.
DOWNLOADS = BUNDLED_PLACES[0].parent

_WAY_OUT = "set it to a GGUF file, or unset it"


def bundled_model() -> Path | None:
    """The demonstration model that came with this installation, if it did."""
    return next((place for place in BUNDLED_PLACES if place.is_file()), None)


def find_or_name(text: str) -> Path | Reference:
    """The model at `text`, or else on a hub under that name. Errors: ValueError, one sentence."""
    path = Path(text.strip()).expanduser().absolute()
    if is_reference(text) and not _is_here(path):
        return read_reference(text)
    return find_model(text)


def _is_here(path: Path) -> bool:
    try:
        return path.exists() or bool(_candidates(path))
    except PermissionError:
        return False


def find_model(text: str) -> Path:
    """The first file of the model at `text`, absolute. Errors: ValueError with one sentence."""
    path = Path(text.strip()).expanduser().absolute()
    try:
        found = _first_part(path if path.is_file() else _only_model(path))
        with found.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); check its rights") from None
    if magic != b"GGUF":
        raise ValueError(f"{found} is not a GGUF file; download it again, or {_WAY_OUT}")
    return found


def _only_model(path: Path) -> Path:
    """The one model in the directory `path`, or beside it under names that begin like it."""
    models = {stem(file.name): file for file in reversed(_candidates(path))}
    if not models:
        what = "holds no .gguf file" if path.is_dir() else "does not exist"
        raise ValueError(f"{path} {what}; {_WAY_OUT}")
    if len(models) > 1:
        names = ", ".join(sorted(file.name for file in models.values())[:5])
        raise ValueError(f"{path} could mean {len(models)} models ({names}); name one of them")
    return next(iter(models.values()))


def _candidates(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.glob("*.gguf"))
    if path.name and path.parent.is_dir():
        begins = (file for file in path.parent.iterdir() if file.name.startswith(path.name))
        return sorted(file for file in begins if file.suffix == ".gguf" and file.is_file())
    return []


def _first_part(file: Path) -> Path:
    """`file`, or part 1 of the split model that it belongs to, once every part is there."""
    parts = [file.with_name(name) for name in part_names(file.name)]
    for each in parts:
        if not each.is_file():
            raise ValueError(f"{each} is missing; {file.name} is one of {len(parts)} parts")
    return parts[0] if parts else file
