"""Names to models: aliases, suffixes, the default, and what becomes of a name that nobody has."""

import pytest

from server.core.errors import ServerError
from server.registry import GPT_OSS_ALIASES, Entry, Registry
from tests.fakes import ScriptedEngine

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
