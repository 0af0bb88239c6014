"""Names to models: aliases, suffixes, the default, and what becomes of a name that nobody has."""

from dataclasses import replace

import pytest

from server.core.errors import ServerError
from server.registry.entries import GPT_OSS_ALIASES, EmbedderEntry, Entry
from server.registry.registry import Registry
from tests.fakes import CARD, ScriptedEmbedder, ScriptedEngine

ENTRY = Entry(name="Mine", engine=ScriptedEngine(), created=1, aliases=GPT_OSS_ALIASES)


@pytest.mark.parametrize(
    ("name", "asked", "effort"),
    [
        (None, "gpt-oss:20b", None),
        ("", "gpt-oss:20b", None),
        ("mine", "mine", None),
        ("GPT-OSS", "GPT-OSS", None),
        ("Mine:latest", "Mine:latest", None),
        ("Mine:high", "Mine:high", "high"),
        ("gpt-oss:20b:LOW", "gpt-oss:20b:LOW", "low"),
    ],
)
@pytest.mark.parametrize("forgiving", [False, True])
def test_a_name_is_found_and_echoed(
    name: str | None, asked: str, effort: str | None, forgiving: bool
):
    resolved = Registry([ENTRY], "gpt-oss:20b", forgiving=forgiving).resolve(name)
    assert (resolved.entry, resolved.asked, resolved.effort) == (ENTRY, asked, effort)


@pytest.mark.parametrize("name", ["other", "mine:lowest", "mine:", "other:low"])
def test_an_unknown_name_is_refused_or_gets_the_default(name: str):
    with pytest.raises(ServerError, match="this server has Mine") as refused:
        Registry([ENTRY], "mine").resolve(name)
    assert (refused.value.kind, refused.value.param) == ("model_not_found", "model")
    resolved = Registry([ENTRY], "mine", forgiving=True).resolve(name)
    assert (resolved.entry, resolved.asked, resolved.effort) == (ENTRY, "mine", None)


def test_a_default_that_is_not_served_is_told():
    with pytest.raises(ValueError, match="gpt-4"):
        Registry([ENTRY], "gpt-4")


def test_few_names_are_told():
    assert ENTRY.told_names == ("Mine", "gpt-oss:20b")


# --- while the server runs -----------------------------------------------------------------------


class Guest(ScriptedEngine):
    """An engine whose model comes and goes."""

    def __init__(self) -> None:
        super().__init__(state="stopped")
        self.retired = False

    async def load(self, _: float | None = None) -> None:
        self.state = "ready"

    async def unload(self) -> None:
        self.state = "unloaded"

    async def retire(self) -> None:
        self.retired = True


def entry(name: str, *aliases: str) -> Entry:
    return Entry(name=name, engine=Guest(), created=2, aliases=aliases)


async def test_a_model_is_added_and_started() -> None:
    registry = Registry([ENTRY], "mine")
    second = entry("Second", "other:7b")
    await registry.add(second)
    assert registry.resolve("OTHER:7b:low").entry is second
    assert registry.served() == [ENTRY, second]
    assert second.engine.status().state == "ready"


async def test_a_name_that_is_taken_cannot_be_added() -> None:
    registry = Registry([ENTRY], "mine")
    with pytest.raises(ValueError, match="the name gpt-oss stands for two models"):
        await registry.add(entry("second", "gpt-oss:latest"))
    assert registry.served() == [ENTRY]


async def test_a_model_is_removed_and_freed() -> None:
    second = entry("second", "other")
    registry = Registry([ENTRY, second], "mine")
    await registry.remove("Other:latest")
    assert second.engine.retired
    assert registry.served() == [ENTRY]
    for name in ("second", "other"):
        with pytest.raises(ServerError, match="does not exist here"):
            registry.resolve(name)
    await registry.add(entry("second"))


async def test_a_plain_engine_is_closed() -> None:
    plain = ScriptedEngine()
    registry = Registry([ENTRY, Entry(name="plain", engine=plain, created=3)], "mine")
    await registry.remove("plain")
    assert plain.state == "stopped"


@pytest.mark.parametrize("name", ["mine", "MINE:latest", "gpt-oss:20b"])
async def test_the_default_model_stays(name: str) -> None:
    registry = Registry([ENTRY, entry("second")], "mine")
    with pytest.raises(ServerError, match="is the default model and cannot be removed"):
        await registry.remove(name)
    assert registry.resolve(name).entry is ENTRY


async def test_what_is_not_there_cannot_be_removed_or_copied() -> None:
    registry = Registry([ENTRY], "mine")
    with pytest.raises(ServerError, match="does not exist") as refused:
        await registry.remove("nobody")
    assert refused.value.kind == "model_not_found"
    with pytest.raises(ServerError, match="does not exist"):
        registry.alias("copy", "nobody")


@pytest.mark.parametrize("written", ["Copy", "copy:latest", "COPY:LATEST"])
async def test_an_alias_comes_and_goes(written: str) -> None:
    registry = Registry([ENTRY, entry("second")], "mine")
    registry.alias(written, "gpt-oss")
    registry.alias(written, "gpt-oss")
    copied = registry.resolve("copy").entry
    assert (copied.engine, copied.name) == (ENTRY.engine, "Mine")
    assert registry.default() is copied
    assert (copied.copies, written in copied.told_names) == ((written,), True)
    await registry.remove("copy:latest")
    with pytest.raises(ServerError, match="does not exist"):
        registry.resolve("copy")
    assert registry.default() == ENTRY


def test_an_alias_cannot_be_anothers_name() -> None:
    registry = Registry([ENTRY, entry("second")], "mine")
    with pytest.raises(ServerError, match="'second:latest' is another model's already"):
        registry.alias("second:latest", "mine")
    assert registry.resolve("second").entry.name == "second"


# --- what a model can do -------------------------------------------------------------------------


def test_a_model_that_only_completes_does_not_chat() -> None:
    plain = Entry(name="plain", engine=ScriptedEngine(), created=1, chat=False)
    registry = Registry([ENTRY, plain], "mine")
    assert registry.resolve_chat("mine").entry is ENTRY
    assert registry.resolve("plain").entry is plain
    with pytest.raises(ServerError, match="use /v1/completions") as refused:
        registry.resolve_chat("plain")
    assert (refused.value.kind, refused.value.code) == ("not_implemented", "chat_not_supported")


def test_a_model_whose_file_brings_no_template_does_not_chat() -> None:
    engine = ScriptedEngine(card=replace(CARD, abilities=()))
    silent = Entry(name="silent", engine=engine, created=1)
    assert not silent.chats
    with pytest.raises(ServerError, match="'silent' writes on after a text and cannot chat"):
        silent.check_chat()
    # What is not known yet is not refused: the model says so itself.
    assert Entry(name="later", engine=ScriptedEngine(card=None), created=1).chats


def test_several_embedders_are_told_apart_by_name() -> None:
    first, second = (
        EmbedderEntry(name=name, engine=ScriptedEmbedder(), created=1) for name in ("one", "two")
    )
    registry = Registry([ENTRY, first, second], "mine")
    assert registry.resolve_embedder("TWO:latest").entry is second
    assert registry.resolve_embedder("mine").entry is first
    assert registry.resolve_embedder(None).asked == "one"
    with pytest.raises(ServerError, match="does not exist"):
        registry.resolve_embedder("three")
    with pytest.raises(ValueError, match="the default model two is not served"):
        Registry([ENTRY, first, second], "two")
