"""Downloads from a hub on this machine, over real connections that fail in every way."""

import asyncio
import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.hub.client import Hub
from server.hub.download import Download, Patience
from server.hub.errors import ErrorKind, HubError
from server.hub.folder import Folder
from server.hub.progress import Progress
from server.hub.reference import Reference
from tests.hub.local_hub import Cut, Hold, LocalHub, Refuse, Send, WholeOnly, model

MIB = 1 << 20
REPO = "owner/model-GGUF"
DATA = model(4 * MIB + 12345)
REFERENCE = Reference(repo=REPO, file="m.gguf")
QUICK = Patience(attempts=3, backoff_s=0.001)
PATIENT = Patience(attempts=9, backoff_s=0.001)
BUSY = Refuse(status=503)


class Told(list[Progress]):
    """What was reported."""

    def __init__(self) -> None:
        super().__init__()
        self._came = asyncio.Event()

    def append(self, progress: Progress) -> None:
        super().append(progress)
        self._came.set()

    @property
    def notes(self) -> list[str]:
        return [progress.note for progress in self if progress.note]

    async def until(self, true: Callable[["Told"], bool]) -> None:
        """Wait for a report that makes it true."""
        while not true(self):
            self._came.clear()
            await self._came.wait()


@pytest.fixture
def hub(local_hub: LocalHub) -> LocalHub:
    local_hub.add(REPO, "m.gguf", DATA)
    return local_hub


def download(
    hub: LocalHub,
    folder: Path,
    told: Told | None = None,
    *,
    patience: Patience = QUICK,
    token: str | None = None,
    force: bool = False,
) -> Download:
    report = Told().append if told is None else told.append
    asked = Hub(hub.endpoint, token)
    return Download(asked, Folder(folder), report, patience=patience, force=force)


async def fetched(hub: LocalHub, folder: Path, told: Told | None = None, **more: object) -> Path:
    return await download(hub, folder, told, **more).run(REFERENCE)


def unfinished(folder: Path) -> bytes:
    """What is in the folder's only file, which has not got its name yet."""
    (part,) = folder.iterdir()
    assert part.suffix == ".part"
    return part.read_bytes()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_comes_whole_and_is_told_of(hub: LocalHub, tmp_path: Path):
    told = Told()
    path = await fetched(hub, tmp_path / "deep" / "models", told)
    assert path.read_bytes() == DATA
    assert names(path.parent) == ["m.gguf"]
    assert told[-1].done == told[-1].total == len(DATA)
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)
    assert hub.sent() == len(DATA)


async def test_what_is_here_is_not_asked_for(hub: LocalHub, tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    assert await fetched(hub, tmp_path) == tmp_path / "m.gguf"
    assert hub.seen == []


async def test_force_fetches_it_anew(hub: LocalHub, tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    path = await fetched(hub, tmp_path, force=True)
    assert path.read_bytes() == DATA


async def test_a_name_without_a_file_needs_the_hub_once(hub: LocalHub, tmp_path: Path):
    first = await download(hub, tmp_path).run(Reference(repo=REPO))
    asked = len(hub.seen)
    second = await download(hub, tmp_path).run(Reference(repo=REPO))
    assert first == second == tmp_path / "m.gguf"
    assert len(hub.seen) == asked


async def test_all_parts_come(hub: LocalHub, tmp_path: Path):
    parts = {f"q/b-{n:05}-of-00003.gguf": model(MIB + n, seed=n) for n in (1, 2, 3)}
    for path, data in parts.items():
        hub.add(REPO, path, data)
    hub.plan("store", Cut(MIB), WholeOnly())
    told = Told()
    first = await download(hub, tmp_path, told).run(Reference(repo=REPO, file="b"))
    assert first == tmp_path / "b-00001-of-00003.gguf"
    assert [(tmp_path / Path(path).name).read_bytes() for path in parts] == list(parts.values())
    assert told[-1].done == told[-1].total == sum(map(len, parts.values()))


# --- connections that fail ---------------------------------------------------------------------


async def test_a_connection_that_breaks_is_gone_on_with(hub: LocalHub, tmp_path: Path):
    hub.plan("store", Cut(MIB + 5), Cut(MIB + 5), BUSY, Cut(0))
    told = Told()
    path = await fetched(hub, tmp_path, told, patience=PATIENT)
    assert path.read_bytes() == DATA
    ranges = [seen.headers.get("Range") for seen in hub.asked("store")]
    assert ranges[0] is None
    assert ranges[-1] == f"bytes={2 * MIB}-"
    # What is less than a chunk is asked for again, no more.
    assert hub.sent() < len(DATA) + 2 * MIB
    assert "the connection to 127.0.0.1" in told.notes[0]


async def test_every_connection_asks_the_hub_for_an_address_anew(hub: LocalHub, tmp_path: Path):
    hub.plan("store", Cut(MIB), Refuse(status=403))
    assert (await fetched(hub, tmp_path)).read_bytes() == DATA
    assert len(hub.asked("file")) == len(hub.asked("store")) == 3


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_a_hub_that_is_busy_is_asked_again(hub: LocalHub, tmp_path: Path, status: int):
    for place in ("listing", "file", "store"):
        hub.plan(place, Refuse(status=status), Refuse(status=status))
    assert (await fetched(hub, tmp_path, patience=PATIENT)).read_bytes() == DATA


async def test_the_hub_says_when_to_come_back(hub: LocalHub, tmp_path: Path):
    hub.plan("listing", Refuse(status=429, headers={"Retry-After": "0"}))
    hub.plan("file", Refuse(status=429, headers={"Retry-After": "7"}))
    told = Told()
    fetching = asyncio.create_task(fetched(hub, tmp_path, told))
    await told.until(lambda told: any("next try in 7 s" in note for note in told.notes))
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching


async def test_patience_ends(hub: LocalHub, tmp_path: Path):
    hub.plan("store", Cut(2 * MIB), BUSY, BUSY, BUSY)
    with pytest.raises(
        HubError, match=r"cannot send hf.co/owner/model-GGUF:m.gguf now \(status 503"
    ):
        await fetched(hub, tmp_path)
    # What came is kept.
    assert unfinished(tmp_path) == DATA[: 2 * MIB]
    assert (await fetched(hub, tmp_path)).read_bytes() == DATA
    assert hub.sent() == len(DATA)


@pytest.mark.parametrize(("failures", "pause"), [(1, 1), (2, 2), (5, 16), (7, 60), (999, 60)])
def test_pauses_become_longer(failures: int, pause: float):
    assert Patience(attempts=None).pause(failures, HubError("unavailable", "")) == pause


async def test_nobody_there(tmp_path: Path):
    nobody = Hub("http://127.0.0.1:9")
    with pytest.raises(HubError, match=r"connection to 127\.0\.0\.1:9 failed .* check the net"):
        await Download(nobody, Folder(tmp_path), Told().append, patience=QUICK).run(REFERENCE)


async def test_offline_mode_is_obeyed_at_once(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="HF_HUB_OFFLINE forbids") as caught:
        await fetched(hub, tmp_path)
    assert not caught.value.temporary
    assert hub.seen == []


async def test_a_server_that_cannot_send_pieces_sends_all(hub: LocalHub, tmp_path: Path):
    hub.plan("store", Cut(2 * MIB), WholeOnly())
    told = Told()
    path = await fetched(hub, tmp_path, told)
    assert path.read_bytes() == DATA
    assert told[-1].done == len(DATA)


# --- refusals ----------------------------------------------------------------------------------

GATED = Refuse(status=403, headers={"X_Error_Code": "GatedRepo"})
STRANGER = Refuse(
    status=401, headers={"X_Error_Message": "Invalid credentials in Authorization header"}
)


@pytest.mark.parametrize(
    ("place", "fault", "kind", "words"),
    [
        (
            "file",
            GATED,
            "forbidden",
            "who accepted its conditions, and no token (HF_TOKEN) was sent",
        ),
        ("file", Refuse(status=403), "forbidden", "does not exist or is private"),
        ("listing", Refuse(status=401), "forbidden", "set HF_TOKEN to a token that may read it"),
        (
            "listing",
            STRANGER,
            "forbidden",
            "does not know the token (HF_TOKEN, or that of hf auth login)",
        ),
        ("listing", Refuse(status=404), "unknown", "hf.co/owner/model-GGUF does not exist on 127"),
        ("file", Refuse(status=404), "unknown", "hf.co/owner/model-GGUF:m.gguf does not exist"),
        ("file", Refuse(status=451), "forbidden", "refuses to send hf.co/owner/model-GGUF:m.gguf"),
    ],
)
async def test_a_refusal_is_one_sentence(
    hub: LocalHub, tmp_path: Path, place: str, fault: Refuse, kind: ErrorKind, words: str
):
    hub.plan(place, fault)
    with pytest.raises(HubError) as caught:
        await fetched(hub, tmp_path)
    assert caught.value.kind == kind
    assert words in str(caught.value)
    assert len(hub.asked(place)) == 1


async def test_a_repository_that_does_not_exist(hub: LocalHub, tmp_path: Path):
    with pytest.raises(HubError, match="owner/other does not exist or is private, and no token"):
        await download(hub, tmp_path).run(Reference(repo="owner/other"))


async def test_what_is_no_hub_is_told_so(hub: LocalHub, tmp_path: Path):
    hub.plan("listing", Refuse(status=200, body=b"<html>Log in to this network</html>"))
    with pytest.raises(HubError, match="is no hub's language; correct HF_ENDPOINT"):
        await fetched(hub, tmp_path)


# --- the token ---------------------------------------------------------------------------------


async def test_the_token_goes_to_the_hub_alone_and_into_no_log(
    hub: LocalHub, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    hub.plan("store", Cut(MIB))
    hub.plan("file", GATED)
    told = Told()
    with pytest.raises(HubError, match=r"and the token \(HF_TOKEN\) was sent") as caught:
        await fetched(hub, tmp_path, told, token="hf_very_secret")
    await fetched(hub, tmp_path, told, token="hf_very_secret")
    tokens = {seen.place: seen.headers.get("Authorization") for seen in hub.seen}
    assert tokens == {
        "listing": "Bearer hf_very_secret",
        "file": "Bearer hf_very_secret",
        "store": None,
    }
    assert "hf_very_secret" not in caplog.text + str(told) + str(caught.value)


async def test_the_token_of_the_environment_is_sent(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_TOKEN", "hf_from_outside")
    await fetched(hub, tmp_path)
    assert hub.seen[0].headers["Authorization"] == "Bearer hf_from_outside"


# --- what arrives ------------------------------------------------------------------------------


async def test_a_damaged_file_is_removed(hub: LocalHub, tmp_path: Path):
    hub.plan("store", Send(DATA[:-1] + b"?"))
    with pytest.raises(
        HubError, match=r"arrived damaged, with sha256 .* and was removed"
    ) as caught:
        await fetched(hub, tmp_path)
    assert caught.value.kind == "damaged"
    assert names(tmp_path) == []
    assert (await fetched(hub, tmp_path)).read_bytes() == DATA


async def test_a_longer_file_is_removed(hub: LocalHub, tmp_path: Path):
    hub.plan("store", Send(DATA + b"?"))
    with pytest.raises(HubError, match=f"with {len(DATA) + 1} bytes instead of {len(DATA)}"):
        await fetched(hub, tmp_path)
    assert names(tmp_path) == []


async def test_what_is_no_gguf_is_known_from_its_beginning(hub: LocalHub, tmp_path: Path):
    hold = Hold(2 * MIB)
    hub.add(REPO, "m.gguf", b"<!doctype html>" + DATA)
    hub.plan("store", hold)
    with pytest.raises(HubError, match=r"m\.gguf in owner/model-GGUF is not a GGUF file"):
        await fetched(hub, tmp_path)
    hold.go.set()
    assert names(tmp_path) == []


async def test_another_file_of_that_name_is_left_alone(hub: LocalHub, tmp_path: Path):
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    known = Reference(repo=REPO, file="m.gguf", size=len(DATA), sha256=hub.checksums[DATA])
    with pytest.raises(
        HubError, match=r"is another file \(4 bytes instead of 4\.2 MB\); remove it"
    ):
        await download(hub, tmp_path).run(known)
    assert (tmp_path / "m.gguf").read_bytes() == b"GGUF"


# --- stopping and going on ---------------------------------------------------------------------


async def test_cancelling_ends_it_at_once_and_the_next_goes_on(hub: LocalHub, tmp_path: Path):
    hold, told = Hold(3 * MIB), Told()
    hub.plan("store", hold)
    fetching = asyncio.create_task(fetched(hub, tmp_path, told))
    await told.until(lambda told: told[-1:] != [] and told[-1].done == hold.after)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(fetching, 1)
    hold.go.set()
    before, again = len(hub.asked("store")), Told()
    assert (await fetched(hub, tmp_path, again)).read_bytes() == DATA
    (seen,) = hub.asked("store")[before:]
    assert seen.headers["Range"] == f"bytes={3 * MIB}-"
    assert again.notes == ["reading what is here already"]


async def test_pieces_of_an_older_file_are_not_gone_on_with(hub: LocalHub, tmp_path: Path):
    hub.plan("store", Cut(3 * MIB), BUSY, BUSY, BUSY)
    with pytest.raises(HubError):
        await fetched(hub, tmp_path)
    newer = model(len(DATA), seed=1)
    hub.add(REPO, "m.gguf", newer)
    assert (await fetched(hub, tmp_path)).read_bytes() == newer


async def test_one_of_many_askers_downloads(hub: LocalHub, tmp_path: Path):
    hold, told = Hold(2 * MIB), Told()
    hub.plan("store", hold)
    first = asyncio.create_task(fetched(hub, tmp_path, told))
    await told.until(lambda told: told[-1:] != [] and told[-1].done == hold.after)
    others = [Told() for _ in range(3)]
    waiting = [asyncio.create_task(fetched(hub, tmp_path, each)) for each in others]
    for each in others:
        await each.until(lambda told: told.notes != [])
    hold.go.set()
    paths = await asyncio.gather(first, *waiting)
    assert set(paths) == {tmp_path / "m.gguf"}
    assert hub.sent() == len(DATA)
    assert others[0].notes[0] == "another process downloads it"


# --- the disk ----------------------------------------------------------------------------------


async def test_too_little_room_is_known_before_the_first_byte(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))
    with pytest.raises(
        HubError, match=r"needs 4\.2 MB and .* has 1\.0 MB free; free another 3\.2 MB"
    ):
        await fetched(hub, tmp_path)
    assert hub.asked("store") == []


async def test_what_is_here_already_needs_no_room(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    hub.plan("store", Cut(4 * MIB), BUSY, BUSY, BUSY)
    with pytest.raises(HubError):
        await fetched(hub, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=12_345))
    assert (await fetched(hub, tmp_path)).read_bytes() == DATA


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


async def test_a_disk_that_fills_up_keeps_what_fits(
    hub: LocalHub, small_disk: Path, monkeypatch: pytest.MonkeyPatch
):
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    with pytest.raises(HubError, match=r"is full; 3\.1 MB of 4\.2 MB are there and kept") as caught:
        await fetched(hub, small_disk)
    assert caught.value.kind == "disk"
    assert unfinished(small_disk) == DATA[: 3 * MIB]
    monkeypatch.setattr(shutil, "disk_usage", real)
    enlarge(small_disk)
    before = hub.sent()
    assert (await fetched(hub, small_disk)).read_bytes() == DATA
    assert hub.sent() - before == len(DATA) - 3 * MIB


@pytest.fixture
def closed_folder(tmp_path: Path) -> Path:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    return tmp_path


async def test_a_folder_without_rights(hub: LocalHub, closed_folder: Path):
    with pytest.raises(HubError, match=r"cannot be written \(Permission denied\); set MODELS_DIR"):
        await fetched(hub, closed_folder)
