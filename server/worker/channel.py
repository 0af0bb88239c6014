"""The worker's end of the socket: frames in, frames out. Knows no command's meaning.

When the other end closes, the gateway is gone and so is every client: the process ends at once,
even in the middle of a load or a decode.
"""

import os
import socket
import sys
from collections.abc import Callable
from threading import Lock, Thread
from typing import NoReturn

import msgspec

from server.worker.wire import (
    LENGTH_BYTES,
    MAX_FRAME_BYTES,
    Command,
    Options,
    Report,
    decode_command,
    decode_options,
    encode,
)

GATEWAY_GONE = 0
PROTOCOL_BROKEN = 2


class Channel:
    """Frames over a connected stream socket. Any thread may `send`."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = Lock()
        self._frames = connection.makefile("rb")

    def receive_options(self) -> Options:
        """Wait for the first frame. Ends the process when it is something else, or none comes."""
        try:
            return decode_options(self._receive())
        except msgspec.DecodeError as error:
            _leave(PROTOCOL_BROKEN, f"The first frame holds no options: {error}.")

    def listen(self, take: Callable[[Command], None]) -> None:
        """Start to hand each command to `take`, on a reading thread."""
        Thread(target=self._read, args=(take,), name="channel", daemon=True).start()

    def send(self, report: Report) -> None:
        """Send a frame; waits while the gateway is slow to read."""
        data = encode(report)
        try:
            with self._sending:
                self._connection.sendall(data)
        except OSError:
            _leave(GATEWAY_GONE)

    def _read(self, take: Callable[[Command], None]) -> None:
        while True:
            body = self._receive()
            try:
                command = decode_command(body)
            except msgspec.DecodeError as error:
                _leave(PROTOCOL_BROKEN, f"A frame is no command: {error}.")
            take(command)

    def _receive(self) -> bytes:
        size = int.from_bytes(self._exactly(LENGTH_BYTES), "big")
        if size > MAX_FRAME_BYTES:
            _leave(PROTOCOL_BROKEN, f"A frame of {size} bytes is larger than {MAX_FRAME_BYTES}.")
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        try:
            data = self._frames.read(size)
        except OSError:
            _leave(GATEWAY_GONE)
        if len(data) < size:
            _leave(GATEWAY_GONE)
        return data


def _leave(code: int, message: str = "") -> NoReturn:
    if message:
        sys.stderr.write(message + "\n")
        sys.stderr.flush()
    # Not sys.exit: llama.cpp may be computing on another thread, and there is nothing to tidy up.
    os._exit(code)
