"""Keys are read again when their file changes, and stay when it is of no use."""

import json
import os
from pathlib import Path

import pytest

from server.auth.ring import KeyRing
from server.core.errors import ServerError
from server.service.key_reload import KeyReload
from server.settings.settings import Settings

FIRST = {"sk-first": {"user": "anna", "permissions": ["all"]}}
SECOND = {"sk-second": {"user": "boris", "permissions": ["chat"]}}


class Bench:
    def __init__(self, folder: Path, **more: str) -> None:
        self.path = folder / "keys.json"
        self.write(json.dumps(FIRST))
        settings = Settings(api_keys_file=str(self.path), **more)
        self.ring = KeyRing(settings.keys)
        self.reload = KeyReload(settings, self.ring)
        self.reload.check()

    def write(self, text: str) -> None:
        """As careful programs write: the new file takes the old one's place."""
        beside = self.path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.path)

    def user(self, key: str) -> str | None:
        try:
            return self.ring.authenticate({"authorization": f"Bearer {key}"}).user
        except ServerError:
            return None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_changed_file_is_read(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    assert bench.user("sk-first") == "anna"
    bench.write(json.dumps(SECOND))
    assert bench.user("sk-first") == "anna"
    bench.reload.check()
    assert (bench.user("sk-first"), bench.user("sk-second")) == (None, "boris")
    assert "1 key (boris)" in caplog.text
    assert "sk-second" not in caplog.text


def test_an_unchanged_file_is_left_alone(bench: Bench) -> None:
    table = bench.ring.table
    bench.reload.check()
    bench.reload.reload()
    assert bench.ring.table is table


def test_a_change_that_no_clock_shows_is_read_when_told(bench: Bench) -> None:
    before = os.stat(bench.path)
    text = json.dumps(FIRST).replace("anna", "olga")
    with bench.path.open("r+") as file:
        file.write(text)
    os.utime(bench.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    bench.reload.check()
    assert bench.user("sk-first") == "anna"
    bench.reload.reload()
    assert bench.user("sk-first") == "olga"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"sk-broken": ', "neither JSON nor a Python dict"),
        ("{}", "there are no keys"),
        ('{"sk-in-both": {"user": "x", "permissions": ["all"]}}', "API_KEYS and in API_KEYS_FILE"),
    ],
)
def test_what_is_of_no_use_changes_nothing(
    tmp_path: Path, text: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    own = "" if text == "{}" else '{"sk-in-both": {"user": "o", "permissions": ["all"]}}'
    more = {"api_keys": own} if own else {}
    bench = Bench(tmp_path, host="0.0.0.0", **more)
    bench.write(text)
    bench.reload.check()
    bench.reload.check()
    assert bench.user("sk-first") == "anna"
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert words in caplog.text
    assert "the keys stay as they were" in caplog.text
    bench.write(json.dumps(SECOND))
    bench.reload.check()
    assert bench.user("sk-second") == "boris"


def test_an_emptied_file_lays_nothing_open(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.write("{}")
    bench.reload.check()
    bench.reload.reload()
    assert bench.user("sk-first") == "anna"
    assert bench.user("sk-guessed") is None
    assert "has no keys any more" in caplog.text


def test_who_lets_everybody_in_may_empty_the_file(tmp_path: Path) -> None:
    bench = Bench(tmp_path, allow_anonymous="1")
    bench.write("{}")
    bench.reload.check()
    assert bench.user("sk-guessed") == "anonymous"


def test_a_file_that_is_gone_changes_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.path.unlink()
    bench.reload.check()
    bench.reload.check()
    assert bench.user("sk-first") == "anna"
    assert len(caplog.records) == 1


def test_keys_of_the_variable_stay(tmp_path: Path) -> None:
    bench = Bench(tmp_path, api_keys='{"sk-own": {"user": "own", "permissions": ["all"]}}')
    bench.write(json.dumps(SECOND))
    bench.reload.check()
    assert (bench.user("sk-own"), bench.user("sk-second")) == ("own", "boris")


def test_without_a_file_there_is_nothing_to_read(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    settings = Settings()
    ring = KeyRing(settings.keys)
    reload = KeyReload(settings, ring)
    reload.check()
    reload.reload()
    assert "API_KEYS_FILE is not set" in caplog.text
    assert ring.authenticate({}).user == "anonymous"
