"""Finds the GGUF that a path means: a file, a directory that holds one, or a prefix of its name.

Only names and the first four bytes are looked at; what is inside the model is not known here.
"""

import re
import sys
from pathlib import Path

FILE_NAME = "gpt-oss-tiny.gguf"
_ROOT = Path(__file__).resolve().parent.parent
# The demonstration model: beside the sources in a checkout, under the prefix in an installed wheel.
BUNDLED_PLACES = (
    _ROOT / "models" / FILE_NAME,
    Path(sys.prefix) / "share" / "gpt-api" / "models" / FILE_NAME,
)

_PART = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf\Z")
_WAY_OUT = "set it to a GGUF file, or unset it"


def bundled_model() -> Path | None:
    """The demonstration model that came with this installation, if it did."""
    return next((place for place in BUNDLED_PLACES if place.is_file()), None)


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
    if path.is_dir():
        candidates = sorted(path.glob("*.gguf"))
    elif path.name and path.parent.is_dir():
        begins = (file for file in path.parent.iterdir() if file.name.startswith(path.name))
        candidates = sorted(file for file in begins if file.suffix == ".gguf" and file.is_file())
    else:
        candidates = []
    models = {_stem(file): file for file in reversed(candidates)}
    if not models:
        what = "holds no .gguf file" if path.is_dir() else "does not exist"
        raise ValueError(f"{path} {what}; {_WAY_OUT}")
    if len(models) > 1:
        names = ", ".join(sorted(file.name for file in models.values())[:5])
        raise ValueError(f"{path} could mean {len(models)} models ({names}); name one of them")
    return next(iter(models.values()))


def _stem(file: Path) -> str:
    part = _PART.match(file.name)
    return part["stem"] if part else file.name


def _first_part(file: Path) -> Path:
    """`file`, or part 1 of the split model that it belongs to, once every part is there."""
    part = _PART.match(file.name)
    if part is None:
        return file
    count = int(part["count"])
    parts = [
        file.with_name(f"{part['stem']}-{number:05}-of-{count:05}.gguf")
        for number in range(1, count + 1)
    ]
    for each in parts:
        if not each.is_file():
            raise ValueError(f"{each} is missing; {file.name} is one of {count} parts")
    return parts[0] if parts else file
