"""Models that come and go while the server runs, with engines that are scripted and downloads that
are files.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from server.core.errors import ServerError
from server.hub.errors import ErrorKind, HubError
from server.hub.progress import Report
from server.hub.reference import Reference
from server.library.library import Library
from server.library.record import FILE_NAME, Kept
from server.registry.entries import Entry, Served
from server.registry.registry import Registry
from tests.fakes import ScriptedEngine

GEMMA = "gemma3"


class House:
    """A registry with a model of the settings, and a library beside it over a folder."""

    def __init__(self, folder: Path, *, needed: Callable[[Path], bool] = lambda _: False) -> None:
        self.folder = folder
        self.fetched: list[Reference] = []
        self.failure: Exception | None = None
        self.content = b"GGUF"
        self.registry = Registry([_entry("gpt-oss-20b")], "gpt-oss-20b")
        self.library = Library(folder, self._fetch, self._make, needed)
        self.library.recall(self.registry)

    async def pull(self, name: str) -> None:
        reference = self.library.find(name)
        if reference is not None:
            async for _ in self.library.pull(name, reference):
                pass

    def names(self) -> list[str]:
        return [entry.name for entry in self.registry.served()]

    def files(self) -> set[str]:
        return {each.name for each in self.folder.iterdir()}

    async def _fetch(self, reference: Reference, _: Report) -> Path:
        self.fetched.append(reference)
        if self.failure is not None:
            raise self.failure
        path = self.folder / f"{reference.repo.partition('/')[2]}.gguf"
        path.write_bytes(self.content)
        return path

    def _make(self, kept: Kept, path: Path) -> Served:
        if path.read_bytes() != b"GGUF":
            raise ValueError(f"{path} is not a whole GGUF file")
        return _entry(kept.name)


def _entry(name: str) -> Entry:
    return Entry(name=name, engine=ScriptedEngine(), created=1)


async def test_what_is_pulled_is_served_now_and_after_a_restart(tmp_path: Path):
    house = House(tmp_path)
    await house.pull("gemma3:latest")
    assert house.names() == ["gpt-oss-20b", GEMMA]
    assert house.registry.resolve("gemma3:latest").entry.name == GEMMA
    again = House(tmp_path)
    assert again.names() == ["gpt-oss-20b", GEMMA]
    assert again.fetched == []


async def test_what_is_served_is_not_pulled_again(tmp_path: Path):
    house = House(tmp_path)
    await house.pull("gpt-oss-20b")
    await house.pull(GEMMA)
    await house.pull("library/gemma3")
    assert len(house.fetched) == 1


async def test_many_pull_one_model_at_once(tmp_path: Path):
    house = House(tmp_path)
    await asyncio.gather(*(house.pull(GEMMA) for _ in range(5)))
    assert house.names() == ["gpt-oss-20b", GEMMA]
    assert len(house.fetched) == 1


async def test_one_file_is_one_model_whatever_it_is_called(tmp_path: Path):
    house = House(tmp_path)
    await house.pull(GEMMA)
    await house.pull("gemma3:4b")
    assert house.names() == ["gpt-oss-20b", GEMMA]
    assert house.registry.get("gemma3:4b") is house.registry.get(GEMMA)
    assert House(tmp_path).registry.get("gemma3:4b") is not None


async def test_a_copy_is_a_name_that_lasts_and_can_be_taken_away(tmp_path: Path):
    house = House(tmp_path)
    await house.library.copy("gpt-oss-20b", "mine:latest")
    await house.library.copy("gpt-oss-20b", "mine")
    again = House(tmp_path)
    assert again.registry.resolve("mine").entry.name == "gpt-oss-20b"
    await again.library.delete("MINE")
    for each in (again, House(tmp_path)):
        assert each.registry.get("mine") is None
        assert each.names() == ["gpt-oss-20b"]


async def test_a_deleted_model_goes_with_its_copies_and_its_file(tmp_path: Path):
    house = House(tmp_path)
    await house.pull(GEMMA)
    await house.library.copy(GEMMA, "mine")
    await house.library.delete(GEMMA)
    assert house.names() == ["gpt-oss-20b"]
    assert house.registry.get("mine") is None
    assert house.files() == {FILE_NAME}
    assert House(tmp_path).names() == ["gpt-oss-20b"]
    await house.pull(GEMMA)
    assert len(house.fetched) == 2


async def test_a_file_that_the_settings_name_stays(tmp_path: Path):
    house = House(tmp_path, needed=lambda path: path.suffix == ".gguf")
    await house.pull(GEMMA)
    await house.library.delete(GEMMA)
    assert house.files() == {FILE_NAME, "gemma-3-4b-it-GGUF.gguf"}


async def test_a_model_of_the_settings_is_not_deleted(tmp_path: Path):
    house = House(tmp_path)
    with pytest.raises(ServerError, match="named by the settings of this server"):
        await house.library.delete("gpt-oss-20b")
    assert house.names() == ["gpt-oss-20b"]


@pytest.mark.parametrize("name", ["llama9", "a b", ""])
async def test_what_is_no_model_is_refused(tmp_path: Path, name: str):
    house = House(tmp_path)
    with pytest.raises(ServerError) as pulled:
        house.library.find(name)
    with pytest.raises(ServerError) as deleted:
        await house.library.delete(name)
    kinds = {"model_not_found"} if name == "llama9" else {"invalid"}
    assert {pulled.value.kind, deleted.value.kind} == kinds


async def test_a_copy_of_nothing_and_a_taken_name_are_refused(tmp_path: Path):
    house = House(tmp_path)
    await house.pull(GEMMA)
    with pytest.raises(ServerError, match='model "llama9" not found'):
        await house.library.copy("llama9", "mine")
    with pytest.raises(ServerError, match="another model's already"):
        await house.library.copy("gpt-oss-20b", GEMMA)


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("unknown", "model_not_found"),
        ("forbidden", "model_not_found"),
        ("unavailable", "upstream_failed"),
        ("damaged", "upstream_failed"),
        ("disk", "engine_failed"),
    ],
)
async def test_a_failed_download_says_why_and_leaves_nothing(
    tmp_path: Path, kind: ErrorKind, told: str
):
    house = House(tmp_path)
    house.failure = HubError(kind, "It went wrong.")
    with pytest.raises(ServerError, match=r"It went wrong\.") as caught:
        await house.pull(GEMMA)
    assert caught.value.kind == told
    assert house.names() == House(tmp_path).names() == ["gpt-oss-20b"]


async def test_a_file_that_is_of_no_use_is_told_and_not_served(tmp_path: Path):
    house = House(tmp_path)
    house.content = b"GGUF that ends too early"
    with pytest.raises(ServerError, match="is not a whole GGUF file") as caught:
        await house.pull(GEMMA)
    assert caught.value.kind == "upstream_failed"
    assert house.names() == House(tmp_path).names() == ["gpt-oss-20b"]


async def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path):
    house = House(tmp_path)
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ServerError, match="set MODELS_DIR to a folder"):
        await house.library.copy("gpt-oss-20b", "mine")


async def test_what_has_gone_or_is_taken_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    house = House(tmp_path)
    for name in (GEMMA, "qwen3", "devstral"):
        await house.pull(name)
    gone, broken, _ = (kept.file for kept in house.library._record.models)
    (tmp_path / gone).unlink()
    (tmp_path / broken).write_bytes(b"no")
    assert House(tmp_path).names() == ["gpt-oss-20b", "devstral"]
    assert "model gemma3 is not served" in caplog.text
    assert "model qwen3 is not served" in caplog.text
