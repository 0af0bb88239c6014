"""The disk tier with real files, damaged and killed in every way."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.worker.prefix_store import PrefixStore
from server.worker.radix import pack
from server.worker.shelf import NoShelf, Record, Shelf
from server.worker.snapshot_files import BLOCK, SnapshotFiles, open_shelf

PRINT = bytes(range(32))
OTHER = bytes(32)
CAPACITY = 1 << 20
ROOT = Path(__file__).resolve().parents[2]
Open = Callable[..., SnapshotFiles]


def record(*tokens: int, size: int = 1000) -> Record:
    return Record(b"salt", pack(tokens), size)


def data_of(wanted: Record) -> bytes:
    return (wanted.path * wanted.size)[: wanted.size]


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def start(tmp_path: Path, warnings: list[str]) -> Iterator[Open]:
    """Opens the shelf, as after a restart; the one before is closed."""
    opened: list[SnapshotFiles] = []

    def begin(fingerprint: bytes = PRINT) -> SnapshotFiles:
        for shelf in opened:
            shelf.close()
        opened.append(SnapshotFiles(tmp_path, fingerprint, CAPACITY, warnings.append))
        return opened[-1]

    yield begin
    for shelf in opened:
        shelf.close()


def kept(start: Open, *records: Record, cold: bool = False) -> SnapshotFiles:
    """A shelf that was restarted after these were written."""
    shelf = start()
    for each in records:
        shelf.write(each, data_of(each), cold)
    return start()


def only_file(folder: Path) -> Path:
    (file,) = folder.glob("*.snapshot")
    return file


def test_what_was_written_is_there_after_a_restart(start: Open, tmp_path: Path) -> None:
    shelf = kept(start, record(1, 2), record(1, 2, 3, size=5000))
    assert set(shelf.records()) == {record(1, 2), record(1, 2, 3, size=5000)}
    for each in shelf.records():
        assert shelf.read(each) == data_of(each)
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_outcomes_are_told(start: Open, tmp_path: Path) -> None:
    shelf = start()
    shelf.write(record(1), data_of(record(1)), False)
    shelf.close()
    assert list(shelf.finished()) == [(record(1), True)]
    assert list(shelf.finished()) == []
    size = only_file(tmp_path).stat().st_size
    assert size <= shelf.bytes_of(record(1)) < size + BLOCK


def test_the_least_lately_used_comes_first_and_cold_ones_before_it(start: Open) -> None:
    shelf = kept(start, record(1), record(2))
    shelf.write(record(3), data_of(record(3)), True)
    shelf.touch(record(1))
    assert list(start().records()) == [record(3), record(2), record(1)]


def test_what_is_removed_or_withdrawn_does_not_come_back(start: Open, tmp_path: Path) -> None:
    shelf = kept(start, record(1))
    shelf.remove(record(1))
    shelf.remove(record(9))
    shelf.touch(record(9))
    assert not shelf.withdraw(record(1))
    assert list(start().records()) == []
    assert list(tmp_path.iterdir()) == []


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def cut_in_the_head(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


def empty(file: Path) -> None:
    file.write_bytes(b"")


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


def change_the_ids(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[8 + 32 + 14 + 4] ^= 1
    file.write_bytes(data)


def rename(file: Path) -> None:
    file.rename(file.with_name("0" * 40 + ".snapshot"))


def leave_half_written(file: Path) -> None:
    file.rename(f"{file}.part")


def replace_by_a_link(file: Path) -> None:
    target = file.rename(file.with_name("elsewhere"))
    file.symlink_to(target)


@pytest.mark.parametrize(
    "spoil",
    [
        cut,
        cut_in_the_head,
        empty,
        lengthen,
        change_the_ids,
        rename,
        leave_half_written,
        replace_by_a_link,
    ],
)
def test_a_file_that_is_wrong_at_the_start_is_removed_and_told_once(
    start: Open, tmp_path: Path, warnings: list[str], spoil: Callable[[Path], None]
) -> None:
    kept(start, record(1))
    spoil(only_file(tmp_path))
    assert start().records() == []
    assert len(warnings) == 1
    assert "Removed 1 unusable snapshot files" in warnings[0]
    assert not list(tmp_path.glob("*.snapshot*"))
    assert start().records() == []
    assert len(warnings) == 1


def test_another_models_or_builds_files_are_removed(
    start: Open, tmp_path: Path, warnings: list[str]
) -> None:
    kept(start, record(1), record(2))
    assert start(OTHER).records() == []
    assert "was made by another model or build" in warnings[0]
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_not_ours_are_left_alone(start: Open, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "backup.snapshot").write_text("mine too")
    kept(start, record(1))
    start(OTHER).records()
    assert {file.name for file in tmp_path.iterdir()} == {"notes.txt", "backup.snapshot"}


def test_another_users_files_are_not_trusted(
    start: Open, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = kept(start, record(1))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert shelf.records() == []
    assert "belongs to another user" in warnings[0]


@pytest.mark.parametrize("place", [100, -1], ids=["data", "checksum"])
def test_damage_that_shows_when_read_is_removed_and_told(
    start: Open, tmp_path: Path, warnings: list[str], place: int
) -> None:
    kept(start, record(1))
    file = only_file(tmp_path)
    data = bytearray(file.read_bytes())
    data[place if place < 0 else -place] ^= 1
    file.write_bytes(data)
    shelf = start()
    assert shelf.records() == [record(1)]
    assert shelf.read(record(1)) is None
    shelf.close()
    assert len(warnings) == 1
    assert "damaged" in warnings[0]
    assert not file.exists()


def test_one_files_content_under_anothers_name_is_not_served(
    start: Open, tmp_path: Path, warnings: list[str]
) -> None:
    shelf = kept(start, record(1), record(2))
    first, second = (tmp_path / f"{record(n).name}.snapshot" for n in (1, 2))
    second.write_bytes(first.read_bytes())
    assert shelf.read(record(2)) is None
    assert shelf.read(record(1)) == data_of(record(1))
    assert len(warnings) == 1


def test_a_file_that_has_vanished_is_told(start: Open, tmp_path: Path, warnings: list[str]) -> None:
    shelf = kept(start, record(1))
    only_file(tmp_path).unlink()
    assert shelf.read(record(1)) is None
    assert "could not be read" in warnings[0]


def test_a_write_that_fails_is_told_once(start: Open, tmp_path: Path, warnings: list[str]) -> None:
    shelf = start()
    for token in (1, 2):
        # A folder in the place of the file to be written.
        (tmp_path / f"{record(token).name}.snapshot").mkdir()
        shelf.write(record(token), data_of(record(token)), False)
    shelf.close()
    assert list(shelf.finished()) == [(record(1), False), (record(2), False)]
    assert len(warnings) == 1
    assert "could not be written" in warnings[0]
    assert not list(tmp_path.glob("*.part"))


# --- the folder ----------------------------------------------------------------------------------


def opened(folder: Path, warnings: list[str], capacity: int = CAPACITY) -> Shelf:
    return open_shelf(str(folder), PRINT, capacity, warnings.append)


def test_the_folder_is_made_for_its_owner_alone(tmp_path: Path, warnings: list[str]) -> None:
    shelf = opened(tmp_path / "a" / "b", warnings)
    assert isinstance(shelf, SnapshotFiles)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    shelf.close()


def test_a_folder_serves_one_process(tmp_path: Path, warnings: list[str]) -> None:
    shelf = opened(tmp_path, warnings)
    assert isinstance(opened(tmp_path, warnings), NoShelf)
    assert "Another process uses" in warnings[0]
    shelf.close()


def test_a_folder_that_cannot_be_used_leaves_memory_alone(
    tmp_path: Path, warnings: list[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert isinstance(opened(tmp_path / "file", warnings), NoShelf)
    assert "Prompts are not kept on disk" in warnings[0]
    assert "set PREFIX_CACHE_DIR" in warnings[0]


def test_nothing_is_touched_where_nothing_may_be_written(
    tmp_path: Path, warnings: list[str]
) -> None:
    assert isinstance(opened(tmp_path / "new", warnings, capacity=0), NoShelf)
    assert isinstance(open_shelf("", PRINT, CAPACITY, warnings.append), NoShelf)
    assert list(tmp_path.iterdir()) == []
    assert warnings == []


def test_the_budget_is_kept_on_the_disk(start: Open, tmp_path: Path) -> None:
    shelf = start()
    shelf.capacity = 10 * BLOCK
    store = PrefixStore(1 << 20, shelf)
    for token in range(50):
        each = record(token, size=BLOCK)
        assert store.reserve(each.size)
        store.add(each, data_of(each))
    shelf.close()
    sizes = [-(-file.stat().st_size // BLOCK) * BLOCK for file in tmp_path.iterdir()]
    assert sum(sizes) == 10 * BLOCK


# --- death ---------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from server.worker.snapshot_files import SnapshotFiles
from tests.worker.test_snapshot_files import CAPACITY, PRINT, data_of, record

shelf = SnapshotFiles(Path(sys.argv[1]), PRINT, CAPACITY, print)
token = 0
while True:
    each = record(token, size=2_000_000)
    shelf.write(each, data_of(each), False)
    shelf._finished.get()
    print(token, flush=True)
    token += 1
"""


def test_a_killed_writer_loses_one_snapshot_at_most(start: Open, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        told += [int(line) for line in writer.stdout]
    shelf = start()
    found = shelf.records()
    # Written and told, or written and killed before it could tell.
    assert {record(token, size=2_000_000) for token in told} <= set(found)
    assert len(found) <= len(told) + 1
    for each in found:
        assert shelf.read(each) == data_of(each)
    assert not list(tmp_path.glob("*.part"))
