"""`gpt-api pull` as people use it: in a process of its own, killed, stopped and watched."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server import cli
from server.settings.settings import Settings
from tests.hub.local_hub import Cut, Hold, LocalHub, Refuse, Send, model, running_hub

ROOT = Path(__file__).resolve().parent.parent
MIB = 1 << 20
REPO = "owner/model-GGUF"
DATA = model(8 * MIB + 321)
NAME = f"hf.co/{REPO}"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with running_hub() as hub:
        hub.add(REPO, "m.gguf", DATA)
        yield hub


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def environment(hub: LocalHub, models: Path, tmp_path: Path) -> dict[str, str]:
    """The environment of a user who has nothing but a hub, a token and a folder."""
    known = {name.upper() for name in Settings.model_fields}
    kept = {name: text for name, text in os.environ.items() if name not in known}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": "hf_very_secret",
        "NO_PROXY": "127.0.0.1",
        "MODELS_DIR": str(models),
    }


class Pull:
    """A running `gpt-api pull`."""

    def __init__(self, environment: dict[str, str], *arguments: str, **more: object) -> None:
        given = {"stderr": subprocess.PIPE, "text": True} | more
        command = [sys.executable, "-m", "server", "pull", *arguments]
        self.process = subprocess.Popen(command, env=environment, **given)
        self.lines: list[str] = []

    def until(self, pattern: str) -> str:
        """The first line that matches, of those not yet read."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip())
            if re.search(pattern, line):
                return line
        raise AssertionError("\n".join(self.lines))

    def end(self) -> tuple[int, str]:
        """Its exit code and its last line."""
        _, rest = self.process.communicate(timeout=60)
        self.lines += (rest or "").splitlines()
        return self.process.returncode, self.lines[-1] if self.lines else ""


def pulled(environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    return Pull(environment, *arguments).end()


def test_a_model_comes_and_is_found_again(environment: dict[str, str], hub: LocalHub, models: Path):
    pull = Pull(environment, NAME)
    assert pull.end() == (0, f"{NAME} is at {models / 'm.gguf'}")
    assert (models / "m.gguf").read_bytes() == DATA
    percents = [int(re.search(r"downloading (\d+) %", line)[1]) for line in pull.lines[:-1]]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert len(percents) <= 11
    asked = len(hub.seen)
    assert pulled(environment, NAME) == (0, f"{NAME} is at {models / 'm.gguf'}")
    assert len(hub.seen) == asked
    assert pulled(environment, NAME, "--force")[0] == 0
    assert hub.sent() == 2 * len(DATA)


def test_a_folder_can_be_named(environment: dict[str, str], models: Path, tmp_path: Path):
    assert pulled(environment, NAME, "--to", str(tmp_path / "other"))[0] == 0
    assert (tmp_path / "other" / "m.gguf").read_bytes() == DATA
    assert not models.exists()


def test_a_killed_download_is_gone_on_with(
    environment: dict[str, str], hub: LocalHub, models: Path
):
    hold = Hold(5 * MIB)
    hub.plan("store", hold)
    first = Pull(environment, f"{NAME}:m.gguf")
    first.until("downloading 62 %")
    first.process.send_signal(signal.SIGKILL)
    assert first.end()[0] == -signal.SIGKILL
    hold.go.set()
    (part,) = models.iterdir()
    assert part.read_bytes() == DATA[: 5 * MIB]
    before = len(hub.asked("store"))
    second = Pull(environment, f"{NAME}:m.gguf")
    assert second.end()[0] == 0
    assert (models / "m.gguf").read_bytes() == DATA
    (seen,) = hub.asked("store")[before:]
    assert seen.headers["Range"] == f"bytes={5 * MIB}-"
    assert seen.sent == len(DATA) - 5 * MIB
    assert any("reading what is here already" in line for line in second.lines)


def test_ctrl_c_leaves_what_can_be_gone_on_with(
    environment: dict[str, str], hub: LocalHub, models: Path
):
    hub.plan("store", Hold(5 * MIB))
    pull = Pull(environment, NAME)
    pull.until("downloading 62 %")
    pull.process.send_signal(signal.SIGINT)
    assert pull.end() == (130, "stopped; the same command goes on from here")
    (part,) = models.glob("*.part")
    assert part.stat().st_size == 5 * MIB


def test_two_processes_share_one_download(environment: dict[str, str], hub: LocalHub, models: Path):
    hold = Hold(5 * MIB)
    hub.plan("store", hold)
    first = Pull(environment, NAME)
    first.until("downloading 62 %")
    second = Pull(environment, NAME)
    second.until("another process downloads it")
    hold.go.set()
    assert [first.end()[0], second.end()[0]] == [0, 0]
    assert hub.sent() == len(DATA)
    assert (models / "m.gguf").read_bytes() == DATA


def test_the_one_that_waited_goes_on_when_the_other_dies(
    environment: dict[str, str], hub: LocalHub, models: Path
):
    hub.plan("store", Hold(5 * MIB))
    first = Pull(environment, NAME)
    first.until("downloading 62 %")
    second = Pull(environment, NAME)
    second.until("another process downloads it")
    first.process.kill()
    first.end()
    assert second.end()[0] == 0
    assert (models / "m.gguf").read_bytes() == DATA
    assert hub.asked("store")[-1].headers["Range"] == f"bytes={5 * MIB}-"


def test_a_terminal_shows_a_bar(environment: dict[str, str], models: Path):
    ours, theirs = pty.openpty()
    pull = Pull(environment | {"COLUMNS": "70"}, NAME, stdin=theirs, stderr=theirs, text=False)
    os.close(theirs)
    shown = b""
    while data := _read(ours):
        shown += data
    os.close(ours)
    assert pull.end()[0] == 0
    drawn, _, last = shown.decode().replace("\r\n", "\n").rstrip().rpartition("\n")
    assert last == f"{NAME} is at {models / 'm.gguf'}"
    pictures = drawn.split("\r")
    assert pictures[-1].startswith("100 % [########################] 8.4 MB of 8.4 MB")
    assert {len(picture) for picture in pictures[1:]} == {69}


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:
        # Linux says so when the other end is closed.
        return b""


@pytest.mark.parametrize(
    ("place", "fault", "code", "words"),
    [
        ("listing", Refuse(status=404), 66, "does not exist on 127.0.0.1"),
        ("listing", Refuse(status=401), 77, "set HF_TOKEN to a token that may read it"),
        ("file", Refuse(status=403, headers={"X_Error_Code": "GatedRepo"}), 77, "accept them at "),
        ("store", Send(DATA[:-1] + b"?"), 65, "arrived damaged"),
        ("store", Send(b"<html>"), 65, "is not a GGUF file"),
    ],
)
def test_a_failure_is_one_sentence_and_a_code(
    environment: dict[str, str], hub: LocalHub, place: str, fault: Refuse, code: int, words: str
):
    hub.plan(place, fault)
    pull = Pull(environment, NAME)
    ended, sentence = pull.end()
    assert ended == code
    assert words in sentence
    assert not any("hf_very_secret" in line or "Traceback" in line for line in pull.lines)


def test_a_model_that_could_be_two(environment: dict[str, str], hub: LocalHub):
    hub.add(REPO, "n.gguf", model(9))
    code, sentence = pulled(environment, NAME)
    assert code == 66
    assert "FILE is one of m.gguf (8.4 MB), n.gguf (9 bytes)" in sentence


def test_a_file_that_is_not_there(environment: dict[str, str]):
    code, sentence = pulled(environment, f"{NAME}:n.gguf")
    assert (code, sentence) == (66, f"{NAME} has no model n.gguf; did you mean m.gguf?")


def test_another_file_in_the_way(environment: dict[str, str], models: Path):
    models.mkdir()
    (models / "m.gguf").write_bytes(b"GGUF")
    code, sentence = pulled(environment, NAME)
    assert code == 73
    assert "or replace it with pull --force" in sentence


def test_offline(environment: dict[str, str]):
    code, sentence = pulled(environment | {"HF_HUB_OFFLINE": "1"}, NAME)
    assert code == 69
    assert "HF_HUB_OFFLINE forbids" in sentence


def test_a_broken_connection_is_told_of_and_mended(environment: dict[str, str], hub: LocalHub):
    hub.plan("store", Cut(5 * MIB))
    pull = Pull(environment, NAME)
    pull.until(r"62 % .*the connection to 127\.0\.0\.1:\d+ failed .*; next try in 1 s")
    assert pull.end()[0] == 0


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "words"),
    [
        (["gpt-oss-21b"], {}, 2, '"gpt-oss-21b" is no model\'s name; write hf.co/OWNER/REPO'),
        (["--to", __file__], {}, 78, "test_pull.py is not a folder; name one"),
        ([], {"HF_ENDPOINT": "huggingface.co"}, 78, 'HF_ENDPOINT: "huggingface.co" is not a URL'),
        ([], {"HF_TOKEN": "hf_my secret"}, 78, "HF_TOKEN: this is no token"),
    ],
)
def test_bad_words_are_told_before_anything_is_asked(
    environment: dict[str, str],
    hub: LocalHub,
    arguments: list[str],
    variables: dict[str, str],
    code: int,
    words: str,
):
    ended, sentence = pulled(environment | variables, *arguments)
    assert (ended, hub.seen) == (code, [])
    assert words in sentence
    assert "secret" not in sentence


def test_other_settings_do_not_matter(environment: dict[str, str], models: Path):
    code, _ = pulled(environment | {"MODEL_PATH": "/nowhere", "HOST": "0.0.0.0"}, NAME)
    assert code == 0
    assert (models / "m.gguf").is_file()


def test_help_names_the_catalogue(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        cli.main(["pull", "--help"])
    assert "gpt-oss-20b, gpt-oss-120b" in " ".join(capsys.readouterr().out.split())
