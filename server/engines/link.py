"""A worker process and the frames to and from it: spawn, send, receive, end.

Knows nothing of requests; what the frames mean is the business of `session` and `local`.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from server.worker.messages import Close, Frame, Ping
from server.worker.wire import LENGTH_BYTES, MAX_FRAME_BYTES, Report, decode_report, encode

log = logging.getLogger(__name__)

LAST_LINES = 20
CLOSE_GRACE_S = 5.0
PING_INTERVAL_S = 5.0
_PACKAGE_ROOT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a worker process ended: its return code (negative: the signal) and its last words;
    `unresponsive`: it was ended by this side, for it gave no sign of life.
    """

    returncode: int
    last_words: str
    unresponsive: bool = False

    @property
    def cause(self) -> str:
        """A few words for a sentence: `killed by SIGKILL`, `exit status 1`."""
        if self.returncode >= 0:
            return f"exit status {self.returncode}"
        name = signal.Signals(-self.returncode).name
        if self.unresponsive:
            return f"killed by {name}, for it gave no sign of life"
        if name == "SIGKILL":
            return "killed by SIGKILL, as the kernel does when memory runs out"
        return f"killed by {name}"


class WorkerLink:
    """One worker process. `open` makes it, `receive` yields its reports until it is gone."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._unresponsive = False
        self._words = asyncio.create_task(self._listen())
        self._heard_at = time.monotonic()

    @classmethod
    async def open(cls) -> "WorkerLink":
        """Start a worker process; it waits for its options. Errors: OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "server.worker", "--fd", str(theirs.fileno())]
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=asyncio.subprocess.PIPE,
                    pass_fds=(theirs.fileno(),),
                    env=_environment(),
                    # Its own session: Ctrl-C in a terminal is for the gateway, which then drains.
                    start_new_session=True,
                )
            except OSError:
                ours.close()
                raise
        reader, writer = await asyncio.open_connection(sock=ours)
        return cls(process, reader, writer)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, frame: Frame) -> None:
        """Queue a frame; to a worker that is gone it goes nowhere, `receive` tells."""
        if not self._writer.is_closing():
            self._writer.write(encode(frame))

    async def receive(self) -> Report | None:
        """The next report; None when the worker is gone. Errors: msgspec.DecodeError, ValueError
        when the other side does not speak the protocol.
        """
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES), "big")
            if length > MAX_FRAME_BYTES:
                raise ValueError(f"a frame of {length} bytes")
            body = await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self._heard_at = time.monotonic()
        return decode_report(body)

    @property
    def silence_s(self) -> float:
        """How long it has not been heard of."""
        return time.monotonic() - self._heard_at

    async def attend(self, silence_limit_s: float) -> None:
        """Ask for signs of life, and end a worker that gives none for so long. Meanwhile somebody
        has to `receive`.
        """
        interval_s = min(PING_INTERVAL_S, silence_limit_s / 2)
        asked = 0
        # Counted, not measured: where this process itself was stopped for a while, what the worker
        # said meanwhile is still to be read.
        while asked * interval_s < silence_limit_s:
            heard_at = self._heard_at
            self.send(Ping())
            await asyncio.sleep(interval_s)
            asked = asked + 1 if self._heard_at == heard_at else 0
        self._unresponsive = True
        log.error("worker %d has given no sign of life for %.0f s", self.pid, self.silence_s)
        self.kill()

    async def ending(self) -> Ending:
        """Wait until the process has ended and its last words are read."""
        returncode = await self._process.wait()
        await self._words
        self._writer.close()
        return self._ending(returncode)

    async def close(self) -> Ending:
        """Ask the worker to leave, insist after a grace period. Safe on one that is gone."""
        self.send(Close())
        try:
            return await asyncio.wait_for(self.ending(), CLOSE_GRACE_S)
        except asyncio.TimeoutError:
            self.kill()
            # The listening task was cancelled with the wait; there is nobody left to listen to.
            returncode = await self._process.wait()
            self._writer.close()
            return self._ending(returncode)

    def kill(self) -> None:
        """End the process at once; `ending` tells when it is gone."""
        if self._process.returncode is None:
            # Not Process.kill: that polls the child first, and when it has just died asyncio's
            # watcher finds it reaped already and reports status 255 instead of the signal.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _ending(self, returncode: int) -> Ending:
        last_words = "\n".join(self._last)
        return Ending(returncode=returncode, last_words=last_words, unresponsive=self._unresponsive)

    async def _listen(self) -> None:
        assert self._process.stderr is not None
        while line := await _line(self._process.stderr):
            text = line.decode("utf-8", "replace").rstrip()
            self._last.append(text)
            log.info("worker %d: %s", self.pid, text)


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line, or what is there of one that is too long for the buffer."""
    try:
        return await stream.readuntil(b"\n")
    except asyncio.IncompleteReadError as end:
        return end.partial
    except asyncio.LimitOverrunError as overrun:
        return await stream.readexactly(overrun.consumed)


def _environment() -> dict[str, str]:
    """The gateway's environment, with this package importable wherever it was started from."""
    inherited = os.environ.get("PYTHONPATH")
    path = _PACKAGE_ROOT if not inherited else f"{_PACKAGE_ROOT}{os.pathsep}{inherited}"
    # Otherwise ggml calls a debugger for a backtrace when it aborts, and the death takes seconds.
    return {**os.environ, "PYTHONPATH": path, "GGML_NO_BACKTRACE": "1"}
