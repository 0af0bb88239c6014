"""A real server in a process of its own, as an operator starts it."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
READY = re.compile(r"model \S+ is ready")
LISTENING = re.compile(r"http://127\.0\.0\.1:(\d+)")
START_LIMIT_S = 60


class Program:
    """A program that serves. Its output is read line by line, never polled. `listening` finds its
    port in a line; the descriptor `pass_fd` stays open for it.
    """

    listening = LISTENING

    def __init__(
        self, command: Sequence[str], *, pass_fd: int | None = None, **settings: str
    ) -> None:
        inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            pass_fds=() if pass_fd is None else (pass_fd,),
            env={**inherited, "PYTHONUNBUFFERED": "1", "PREFIX_CACHE_DISK": "0", **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log: list[str] = []
        self.url = ""
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_ready(self) -> None:
        self.wait_until_listening()
        self.wait_for(READY)

    def wait_until_listening(self) -> None:
        """For servers that load no model."""
        self.url = f"http://127.0.0.1:{self.wait_for(self.listening)[1]}"

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """The first log line not yet looked at that matches. Fails when the process ends."""
        while (line := self._lines.get(timeout=START_LIMIT_S)) is not None:
            if match := pattern.search(line):
                return match
        raise AssertionError(f"the server ended without {pattern.pattern}:\n" + "\n".join(self.log))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the server; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait(30)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log.append(line.rstrip())
            self._lines.put(line.rstrip())
        self._lines.put(None)


class ServerProcess(Program):
    """`python -m server serve` on a free port. `prefix` is put before the command."""

    def __init__(
        self,
        *arguments: str,
        prefix: Sequence[str] = (),
        pass_fd: int | None = None,
        **settings: str,
    ) -> None:
        serve = (sys.executable, "-m", "server", "serve", "--port", "0")
        super().__init__((*prefix, *serve, *arguments), pass_fd=pass_fd, **settings)
