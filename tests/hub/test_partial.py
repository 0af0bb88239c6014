"""The file that grows: its lock, its checksum, its name."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.hub.partial import Partial

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from server.hub.partial import Partial
partial = Partial.open(Path(sys.argv[1]))
partial.append(b"GGUF and more")
print("held", flush=True)
sys.stdin.read()
"""


def opened(path: Path) -> Partial:
    partial = Partial.open(path)
    assert partial is not None
    return partial


def test_grows_over_several_lives(tmp_path: Path):
    path, target = tmp_path / "a.part", tmp_path / "a"
    first = opened(path)
    first.append(b"GGUF")
    first.append(b"12")
    first.close()
    second = opened(path)
    assert (second.size, second.hashed) == (6, 0)
    second.read_back()
    second.append(b"34")
    assert second.digest() == hashlib.sha256(b"GGUF1234").hexdigest()
    second.finish(target)
    second.close()
    assert target.read_bytes() == b"GGUF1234"
    assert not path.exists()


def test_begins_anew(tmp_path: Path):
    partial = opened(tmp_path / "a.part")
    partial.append(b"wrong")
    assert not partial.is_gguf()
    partial.reset()
    assert partial.is_gguf()
    partial.append(b"GGUF")
    assert partial.digest() == hashlib.sha256(b"GGUF").hexdigest()
    partial.discard()
    partial.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("data", "may_be"), [(b"", True), (b"GG", True), (b"GX", False)])
def test_knows_a_gguf_as_far_as_it_goes(tmp_path: Path, data: bytes, may_be: bool):
    partial = opened(tmp_path / "a.part")
    partial.append(data)
    assert partial.is_gguf() is may_be
    partial.close()


def test_file_that_shrinks_under_its_reader(tmp_path: Path):
    path = tmp_path / "a.part"
    path.write_bytes(b"GGUF")
    partial = opened(path)
    os.truncate(path, 0)
    with pytest.raises(OSError, match="became shorter"):
        partial.read_back()
    partial.close()


def test_one_process_has_it_and_its_death_sets_it_free(tmp_path: Path):
    path = tmp_path / "a.part"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert Partial.open(path) is None
        holder.kill()
    partial = opened(path)
    assert partial.size == len(b"GGUF and more")
    partial.close()


def test_lock_of_a_file_that_was_finished_meanwhile_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Between opening and locking, whoever had it may rename it."""
    path, target = tmp_path / "a.part", tmp_path / "a"
    path.write_bytes(b"GGUF")
    real = os.open

    def rename_after_opening(*arguments: object) -> int:
        descriptor = real(*arguments)
        if not target.exists():
            path.rename(target)
        return descriptor

    monkeypatch.setattr("server.hub.partial.os.open", rename_after_opening)
    partial = opened(path)
    partial.append(b"new")
    partial.close()
    assert target.read_bytes() == b"GGUF"
    assert path.read_bytes() == b"new"
