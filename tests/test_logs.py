"""Log lines: one a record, for people or for journald, with the request's id."""

import io
import logging
import logging.config
import os
import sys
from collections.abc import Iterator

import pytest

from server import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    for name in ("httpx", "httpcore", "uvicorn"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_line_for_people(capsys: pytest.CaptureFixture[str]):
    logs.configure("info")
    logging.getLogger("server.x").info("loaded %d layers", 24)
    logging.getLogger("server.x").debug("not shown")
    line = capsys.readouterr().err
    assert line.endswith(" INFO server.x loaded 24 layers\n")
    assert line[:4].isdigit()
    assert line.count("\n") == 1


@pytest.mark.parametrize(
    ("level", "priority"),
    [("critical", "<2>"), ("error", "<3>"), ("warning", "<4>"), ("info", "<6>"), ("debug", "<7>")],
)
def test_journal_gets_a_priority_and_no_time(
    capsys: pytest.CaptureFixture[str], level: str, priority: str
):
    logging.config.dictConfig(logs.config("debug", journal=True))
    getattr(logging.getLogger("server.x"), level)("hello")
    assert capsys.readouterr().err == f"{priority}{level.upper()} server.x hello\n"


def test_request_id_stands_in_the_line(capsys: pytest.CaptureFixture[str]):
    logging.config.dictConfig(logs.config("info", journal=True))
    token = logs.request_id.set("req_1")
    logging.getLogger("server.x").info("inside")
    logs.request_id.reset(token)
    logging.getLogger("server.x").info("outside")
    assert capsys.readouterr().err == "<6>INFO server.x [req_1] inside\n<6>INFO server.x outside\n"


def test_message_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]):
    logging.config.dictConfig(logs.config("info", journal=True))
    logging.getLogger("server.x").info("name %s", "a\r\n<0>EMERGENCY all is lost")
    assert capsys.readouterr().err == "<6>INFO server.x name a\\r\\n<0>EMERGENCY all is lost\n"


def test_every_line_of_a_traceback_has_the_priority(capsys: pytest.CaptureFixture[str]):
    logging.config.dictConfig(logs.config("info", journal=True))
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        logging.getLogger("server.x").exception("failed")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "<3>ERROR server.x failed"
    assert lines[-1] == "<3>  two"
    assert all(line.startswith("<3>") for line in lines)


def test_chatty_libraries_are_quiet(capsys: pytest.CaptureFixture[str]):
    logs.configure("info")
    logging.getLogger("uvicorn.error").info("Started server process [1]")
    logging.getLogger("uvicorn.error").error("it failed")
    line = capsys.readouterr().err
    assert line.endswith("ERROR uvicorn.error it failed\n")
    assert line.count("\n") == 1


def test_journal_is_known_by_its_stream(monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as stream:
        stat = os.fstat(stream.fileno())
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
        assert logs.stderr_is_journal()
        monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino + 1}")
        assert not logs.stderr_is_journal()
        monkeypatch.delenv("JOURNAL_STREAM")
        assert not logs.stderr_is_journal()


def test_stderr_without_a_file_is_no_journal(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setenv("JOURNAL_STREAM", "1:1")
    assert not logs.stderr_is_journal()
