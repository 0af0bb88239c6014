"""The far end of sd_notify(3): what a service manager hears, and the sockets that it keeps."""

import socket
import sys
import tempfile
from pathlib import Path

LIMIT_S = 60


class NotifySocket:
    """A datagram socket that hears what a service says, in order."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="notify-")
        self.path = str(Path(self._folder.name) / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(LIMIT_S)
        self._socket.bind(self.path)
        # Every assignment so far, and the sockets by name.
        self.heard: list[str] = []
        self.stored: dict[str, socket.socket] = {}

    def hear(self) -> list[str]:
        """The assignments of the next message."""
        data, descriptors, _, _ = socket.recv_fds(self._socket, 65536, 4)
        lines = data.decode().split("\n")
        fields = dict(line.split("=", 1) for line in lines)
        for descriptor in descriptors:
            self.stored[fields["FDNAME"]] = socket.socket(fileno=descriptor)
        if fields.get("FDSTOREREMOVE"):
            self.stored.pop(fields["FDNAME"]).close()
        self.heard += lines
        return lines

    def hear_until(self, line: str) -> None:
        """Listen until an assignment that begins so."""
        while not any(each.startswith(line) for each in self.hear()):
            pass

    def hear_the_rest(self) -> None:
        """Everything that was said before now."""
        self._socket.setblocking(False)
        try:
            while True:
                self.hear()
        except BlockingIOError:
            self._socket.settimeout(LIMIT_S)

    def close(self) -> None:
        for each in self.stored.values():
            each.close()
        self._socket.close()
        self._folder.cleanup()


def hand_over(listener: socket.socket, name: str) -> tuple[list[str], dict[str, str]]:
    """What to put before a command, and what to add to its environment, so that the process gets
    the socket as systemd gives it: as descriptor 3, with its own process id. The descriptor of
    `listener` has to be passed on.
    """
    script = (
        "import os, sys; os.dup2(int(sys.argv[1]), 3); os.environ['LISTEN_PID'] = str(os.getpid());"
        " os.execv(sys.argv[2], sys.argv[2:])"
    )
    prefix = [sys.executable, "-c", script, str(listener.fileno())]
    return prefix, {"LISTEN_FDS": "1", "LISTEN_FDNAMES": name}
