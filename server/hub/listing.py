"""Which files of a repository are the model that was asked for. Pure: the listing is given."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import PurePosixPath

from server.hub.errors import HubError
from server.hub.parts import part_names, stem
from server.hub.progress import amount
from server.hub.reference import Reference

SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """A file in a repository: its path there, its bytes, and its checksum where the hub tells."""

    path: str
    size: int
    sha256: str | None = None

    @property
    def name(self) -> str:
        """The name that it gets here: folders of the repository are left out."""
        return PurePosixPath(self.path).name


def choose(reference: Reference, files: Sequence[HubFile]) -> tuple[HubFile, ...]:
    """The files of the model, in order. Errors: HubError, naming what there is instead."""
    models = {path: file for file in files if (path := file.path).lower().endswith(".gguf")}
    wanted = reference.file
    if wanted is not None and not wanted.lower().endswith(".gguf") and wanted in _paths(files):
        raise HubError("damaged", f"{reference.address}:{wanted} is not a GGUF file; name one")
    found = [models[wanted]] if wanted in models else _matching(wanted, list(models.values()))
    firsts = {stem(file.path): part_names(file.path)[0] for file in found}
    if not firsts:
        raise _nothing(reference, list(models))
    if len(firsts) > 1:
        raise _ambiguous(reference, [models[path] for path in firsts.values() if path in models])
    names = part_names(next(iter(firsts.values())))
    if missing := [name for name in names if name not in models]:
        raise HubError("unknown", f"{reference.address} lacks {missing[0]}, a part of the model")
    return _as_known(reference, tuple(models[name] for name in names))


def _paths(files: Sequence[HubFile]) -> set[str]:
    return {file.path for file in files}


def _matching(wanted: str | None, models: Sequence[HubFile]) -> list[HubFile]:
    """The models that a file's name without its folder means, or a word in it; or all of them."""
    if wanted is not None:
        if named := [file for file in models if file.name.lower() == wanted.lower()]:
            return named
        word = re.compile(rf"(^|[-./_]){re.escape(wanted)}([-./]|$)", re.I)
        models = [file for file in models if word.search(file.path)]
    # What projects images and what quantisation was tuned on are no models of their own.
    return [file for file in models if not re.match(r"mmproj|.*imatrix", file.name, re.I)]


def _as_known(reference: Reference, files: tuple[HubFile, ...]) -> tuple[HubFile, ...]:
    """The files with the catalogue's checksum. Errors: HubError where the hub has another file."""
    if reference.sha256 is None:
        return files
    (file,) = files
    if file.size != reference.size or file.sha256 not in (None, reference.sha256):
        raise HubError(
            "damaged",
            f"{reference.address}:{file.path} is no longer the file that {reference} stands for"
            f" ({file.size} bytes instead of {reference.size}, or another checksum); name it as"
            f" {reference.address}:{file.path} to take it as it is",
        )
    return (replace(file, sha256=reference.sha256),)


def _nothing(reference: Reference, paths: Sequence[str]) -> HubError:
    if not paths:
        return HubError("unknown", f"{reference.address} holds no GGUF file; name another")
    wanted = reference.file or ""
    names = {path.lower(): path for path in paths}
    close = [names[each] for each in get_close_matches(wanted.lower(), names, n=3, cutoff=0.5)]
    there = f"did you mean {' or '.join(close)}?" if close else f"it has {_shown(list(paths))}"
    return HubError("unknown", f"{reference.address} has no model {wanted}; {there}")


def _ambiguous(reference: Reference, files: Sequence[HubFile]) -> HubError:
    names = [f"{file.path} ({amount(file.size)})" for file in files]
    return HubError(
        "unknown",
        f"{reference} could mean {len(names)} models; name one as {reference.address}:FILE, where"
        f" FILE is one of {_shown(names)}",
    )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
