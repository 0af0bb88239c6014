"""Whether the service's own user can read what it has to: root, who asks, can read everything."""

import grp
import pwd
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from server.settings import Settings
from server.verdicts import Verdict, failed, ok

READ, ENTER = stat.S_IROTH, stat.S_IXOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of this machine, with all groups."""

    name: str
    uid: int
    gids: frozenset[int]


def account(name: str) -> Account | None:
    """None where there is no such user."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    groups = {each.gr_gid for each in grp.getgrall() if name in each.gr_mem}
    return Account(name=name, uid=entry.pw_uid, gids=frozenset(groups | {entry.pw_gid}))


def paths(settings: Settings, model: Path | None) -> list[Path]:
    """What the service reads."""
    keys = settings.api_keys_file
    return [each for each in (model, keys.path if keys else None) if each is not None]


def readable(account: Account, files: Sequence[Path]) -> Iterator[Verdict]:
    for file in files:
        if (barrier := _barrier(account, file)) is None:
            continue
        yield failed(
            "rights",
            f"the user {account.name} cannot read {file}, because of {barrier}",
            f"chgrp {account.name} {barrier}, and chmod g+r{'x' * barrier.is_dir()} {barrier}",
        )
        return
    yield ok("rights", f"the user {account.name} can read the model and the keys")


def _barrier(account: Account, file: Path) -> Path | None:
    """The first folder on the way that the user cannot enter, or the file itself."""
    place = file.resolve()
    for folder in reversed(place.parents):
        if not _may(account, folder, ENTER):
            return folder
    return None if _may(account, place, READ) else place


def _may(account: Account, path: Path, bit: int) -> bool:
    """As the kernel decides; `bit` is that of all others. The superuser may everything."""
    status = path.stat()
    if account.uid == 0:
        return True
    if status.st_uid == account.uid:
        return bool(status.st_mode & bit << 6)
    if status.st_gid in account.gids:
        return bool(status.st_mode & bit << 3)
    return bool(status.st_mode & bit)
