"""A person at a terminal: sees what a command in the box asks, answers, and may press ^C."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.deploy.box import Box


class Terminal:
    """`said` is everything that was shown so far, as lines end with a plain newline."""

    def __init__(self, process: "subprocess.Popen[str]", screen: int) -> None:
        self._process = process
        self._screen = screen
        self.said = ""

    def wait_for(self, pattern: str) -> None:
        """Until something like that stands in what was shown."""
        while not re.search(pattern, self.said):
            assert self._read(), self.said

    def type(self, text: str) -> None:
        os.write(self._screen, text.encode())

    def answer(self, question: str, text: str) -> None:
        self.wait_for(question)
        self.type(f"{text}\n")

    def end(self) -> int:
        """The exit status, when all is said."""
        while self._read():
            pass
        return self._process.wait()

    def _read(self) -> bool:
        try:
            data = os.read(self._screen, 65536)
        except OSError:
            # Nobody has the terminal open any more.
            return False
        self.said += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)


@contextmanager
def terminal(box: Box, script: str) -> Iterator[Terminal]:
    """The script runs with a terminal of its own, so that ^C reaches it and what it started."""
    screen, keyboard = os.openpty()
    try:
        process = box.start("setsid", "--ctty", "--wait", "bash", "-euc", script, terminal=keyboard)
    finally:
        os.close(keyboard)
    try:
        yield Terminal(process, screen)
    finally:
        os.close(screen)
        process.wait(timeout=60)
