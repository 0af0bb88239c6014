"""Log lines: one a record, on stderr, with the request's id; journald gets its priorities.

Only standard logging is used everywhere else. A record's text cannot forge a second line.
"""

import logging
import logging.config
import os
import sys
from contextvars import ContextVar
from typing import Any

# journald reads a line's priority from such a prefix (sd-daemon(3)).
PRIORITIES = {
    logging.CRITICAL: "<2>",
    logging.ERROR: "<3>",
    logging.WARNING: "<4>",
    logging.INFO: "<6>",
    logging.DEBUG: "<7>",
}

# These report every request, or every step of starting and stopping, at info; the last one writes
# whole answers at debug, and nobody's words belong into a log.
CHATTY = (
    "httpx",
    "httpx2",
    "httpcore",
    "httpcore2",
    "huggingface_hub",
    "uvicorn",
    "sse_starlette",
)

# The id of the request that the current task works for; set where a request comes in.
request_id: ContextVar[str] = ContextVar("request_id", default="")


class LineFormatter(logging.Formatter):
    """`time LEVEL logger [request id] message`; for journald without the time and with a priority.

    A traceback follows on lines of its own, each indented and with the same priority.
    """

    def __init__(self, *, journal: bool) -> None:
        super().__init__(datefmt="%Y-%m-%d %H:%M:%S")
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        time = "" if self._journal else f"{self.formatTime(record, self.datefmt)} "
        asker = f" [{request}]" if (request := request_id.get()) else ""
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        lines = [f"{time}{record.levelname} {record.name}{asker} {message}"]
        if record.exc_info:
            lines += [f"  {line}" for line in self.formatException(record.exc_info).splitlines()]
        priority = PRIORITIES.get(record.levelno, "<6>") if self._journal else ""
        return "\n".join(priority + line for line in lines)


def configure(level: str) -> None:
    """Log from now on at `level` (debug, info, warning, error), uvicorn's records included."""
    logging.config.dictConfig(config(level, journal=stderr_is_journal()))


def config(level: str, *, journal: bool) -> dict[str, Any]:
    """The configuration as `logging.config` takes it."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": LineFormatter, "journal": journal}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "stream": "ext://sys.stderr",
                "formatter": "line",
            }
        },
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {name: {"level": "WARNING"} for name in CHATTY},
    }


def stderr_is_journal() -> bool:
    """Whether stderr goes straight to journald: JOURNAL_STREAM names its device and inode."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        stat = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(stat.st_dev), str(stat.st_ino))
