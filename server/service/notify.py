"""Words to systemd and what it hands over: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).

Without systemd every word goes nowhere. What the words mean for the server is not known here.
"""

import logging
import os
import socket
from collections.abc import Mapping, MutableMapping, Sequence

log = logging.getLogger(__name__)

FIRST_DESCRIPTOR = 3
VARIABLES = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "FDSTORE",
)
# systemd reads at once; if it does not, the server has better things to do than to wait.
SEND_LIMIT_S = 1.0


class Systemd:
    """The service manager as `environment` describes it; an empty one describes none.

    `present`: somebody listens. `watchdog_s`: how often WATCHDOG=1 has to come at least, None for
    never. `keeps_sockets`: what is stored outlives this process. `inherited`: the sockets that were
    stored, or opened for us, by name.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environment)
        self.inherited = _inherited(environment)
        # Since version 254 systemd tells by this variable; for older ones the unit has to.
        stores = environment.get("FDSTORE", "0") not in ("", "0")
        self.keeps_sockets = self.present and (stores or bool(self.inherited))

    @property
    def present(self) -> bool:
        return self._address is not None

    def tell(self, *lines: str) -> None:
        """Send assignments such as READY=1, together."""
        self._send(lines)

    def store(self, name: str, listener: socket.socket) -> None:
        """Have a socket kept for the next process under a name."""
        self._send(("FDSTORE=1", f"FDNAME={name}"), (listener.fileno(),))

    def discard(self, name: str) -> None:
        """Have the sockets of that name kept no more."""
        self._send(("FDSTOREREMOVE=1", f"FDNAME={name}"))

    def _send(self, lines: Sequence[str], descriptors: Sequence[int] = ()) -> None:
        if self._address is None or not lines:
            return
        data = "\n".join(lines).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(SEND_LIMIT_S)
                channel.connect(self._address)
                socket.send_fds(channel, [data], list(descriptors))
        except OSError as error:
            log.warning("systemd could not be told %s: %s", lines[0], error)


def from_environment(environment: MutableMapping[str, str] = os.environ) -> Systemd:
    """The service manager of this process. Its variables are removed: to child processes nothing of
    it is addressed.
    """
    found = Systemd(environment)
    for name in VARIABLES:
        environment.pop(name, None)
    return found


def _address(text: str) -> str | None:
    if text.startswith("@"):
        return f"\0{text[1:]}"
    return text if text.startswith("/") else None


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    interval = environment.get("WATCHDOG_USEC", "")
    if not interval.isdigit() or not int(interval) or not _for_us(environment, "WATCHDOG_PID"):
        return None
    return int(interval) / 1_000_000


def _inherited(environment: Mapping[str, str]) -> dict[str, list[socket.socket]]:
    count = environment.get("LISTEN_FDS", "")
    if not count.isdigit() or not environment.get("LISTEN_PID"):
        return {}
    if not _for_us(environment, "LISTEN_PID"):
        return {}
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    sockets: dict[str, list[socket.socket]] = {}
    for index in range(int(count)):
        name = names[index] if index < len(names) else ""
        os.set_inheritable(FIRST_DESCRIPTOR + index, False)
        sockets.setdefault(name, []).append(socket.socket(fileno=FIRST_DESCRIPTOR + index))
    return sockets


def _for_us(environment: Mapping[str, str], variable: str) -> bool:
    return environment.get(variable, str(os.getpid())) == str(os.getpid())
