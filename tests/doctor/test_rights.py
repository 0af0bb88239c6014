"""Whether another user can read a file: by its bits and by those of the folders on the way."""

import os
import pwd
from pathlib import Path

import pytest

from server.doctor.rights import Account, account, paths, readable
from server.settings import Settings
from server.verdicts import Verdict

STRANGER = Account(name="gpt-api", uid=54321, gids=frozenset({54321}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """In a folder that everybody can enter, as all above it can be made."""
    made = tmp_path / "models" / "m.gguf"
    made.parent.mkdir()
    made.write_text("GGUF")
    for folder in (made.parent, tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return made


def only(who: Account, *files: Path) -> Verdict:
    (found,) = readable(who, files)
    return found


def test_what_everybody_can_read(file: Path):
    file.chmod(0o644)
    assert only(STRANGER, file).state == "ok"


def test_what_nobody_else_can_read(file: Path):
    file.chmod(0o600)
    found = only(STRANGER, file)
    assert found.state == "failed"
    assert found.way_out == f"chgrp gpt-api {file}, and chmod g+r {file}"


def test_what_its_group_can_read(file: Path):
    file.chmod(0o640)
    member = Account(name="gpt-api", uid=54321, gids=frozenset({file.stat().st_gid}))
    assert only(member, file).state == "ok"
    # The group's bits count for its members, whatever all others may.
    file.chmod(0o604)
    assert only(member, file).state == "failed"


def test_a_folder_that_is_closed(file: Path):
    file.chmod(0o644)
    file.parent.chmod(0o700)
    found = only(STRANGER, file)
    assert f"because of {file.parent}" in found.words
    assert found.way_out.endswith(f"chmod g+rx {file.parent}")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_its_owner(file: Path):
    os.chown(file, STRANGER.uid, -1)
    file.chmod(0o400)
    assert only(STRANGER, file).state == "ok"
    file.chmod(0o044)
    assert only(STRANGER, file).state == "failed"


def test_the_superuser_may_everything(file: Path):
    file.chmod(0o000)
    assert only(Account(name="root", uid=0, gids=frozenset()), file).state == "ok"


def test_users_of_this_machine():
    assert account("a-user-that-nobody-has") is None
    own = pwd.getpwuid(os.getuid())
    found = account(own.pw_name)
    assert found is not None
    assert (found.uid, own.pw_gid in found.gids) == (own.pw_uid, True)


def test_what_is_read(tmp_path: Path):
    keys = tmp_path / "keys.json"
    keys.write_text('{"sk-one": {"user": "admin", "permissions": ["all"]}}')
    assert paths(Settings(), None) == []
    model = tmp_path / "m.gguf"
    assert paths(Settings(api_keys_file=str(keys)), model) == [model, keys]
