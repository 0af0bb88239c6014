"""A machine of its own for a test: this one's files, a systemd booted for it, a network."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

SCRIPT = Path(__file__).with_name("box.sh")
LIMIT_S = 300


def missing(lower: str) -> str:
    """Why no box can be booted here over the files in `lower`, if none can."""
    if os.geteuid() != 0:
        return "needs root"
    tools = ("unshare", "nsenter", "setpriv", "ip", "mount")
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        return f"needs {absent[0]}"
    for program in ("lib/systemd/systemd", "usr/bin/python3"):
        if not (Path(lower) / program).exists():
            return f"needs /{program}"
    # What the installer would fetch otherwise.
    packages = ("python3-venv", "libgomp1", "curl", "ca-certificates", "iproute2")
    query = ["chroot", lower, "dpkg-query", "--show", *packages]
    if shutil.which("dpkg-query") is None or subprocess.run(query, capture_output=True).returncode:
        return f"needs Debian or Ubuntu with {', '.join(packages)}"
    if "cgroup2" not in Path("/proc/self/mounts").read_text():
        return "needs cgroup2"
    probe = ["unshare", "--mount", "--pid", "--net", "--cgroup", "--fork", "true"]
    if subprocess.run(probe, capture_output=True).returncode:
        return "needs the right to make namespaces"
    with tempfile.TemporaryDirectory() as state:
        done = subprocess.run(
            [SCRIPT, "probe", state, lower], stdout=subprocess.PIPE, text=True, timeout=LIMIT_S
        )
    return done.stdout.strip()


class Box:
    """Boots at once. `folders` are bound read-only, by their places inside. `number`: from 0 on,
    another for each of those that run at the same time. From outside it is at `address`, and what
    runs outside is at `outside`.
    """

    def __init__(self, state: Path, lower: str, folders: dict[str, Path], number: int = 0) -> None:
        self._state = str(state)
        self.outside, self.address = (f"10.78.{number}.{host}" for host in (1, 2))
        binds = [f"{outside}:{inside}" for inside, outside in folders.items()]
        self._start = [SCRIPT, "start", self._state, lower, self.outside, self.address, *binds]
        self._boot()

    def _boot(self) -> None:
        subprocess.run(self._start, check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)

    def run(self, *command: str, check: bool = True) -> str:
        """What a command says that is run inside, as root. Fails when it does, unless told."""
        done = subprocess.run(
            [SCRIPT, "exec", self._state, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0 or not check, f"{command}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def online(self, script: str) -> bool:
        """Run a script inside, with the network of this machine; says whether it succeeded."""
        command = [SCRIPT, "online", self._state, "bash", "-euc", script]
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT_S
        )
        return done.returncode == 0

    def start(self, *command: str, terminal: int | None = None) -> "subprocess.Popen[str]":
        """A command that is run inside meanwhile, at a terminal if one is given."""
        return subprocess.Popen(
            [SCRIPT, "exec", self._state, *command],
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL if terminal is None else terminal,
            text=True,
        )

    def shell(self, script: str, check: bool = True) -> str:
        return self.run("bash", "-euc", script, check=check)

    def show(self, field: str) -> str:
        """A property of the service, as systemctl shows it."""
        return self.run("systemctl", "show", "-P", field, "gpt-api").strip()

    def journal(self, *options: str) -> str:
        self.run("journalctl", "--sync")
        return self.run("journalctl", "-u", "gpt-api", "--no-pager", *options)

    def worker(self) -> str:
        """The process id of the worker, as the box counts."""
        group = self.show("ControlGroup")
        found = self.shell(
            f"for p in $(cat /sys/fs/cgroup{group}/cgroup.procs); do"
            " tr '\\0' ' ' </proc/$p/cmdline | sed \"s/^/$p /\"; echo; done"
        )
        match = re.search(r"^(\d+) .*-m server\.worker", found, re.MULTILINE)
        assert match, found
        return match[1]

    def reboot(self) -> None:
        """Power off, and boot with everything that was written."""
        subprocess.run([SCRIPT, "stop", self._state], check=True, timeout=LIMIT_S)
        self._boot()

    def stop(self) -> None:
        for verb in ("stop", "forget"):
            subprocess.run([SCRIPT, verb, self._state], check=True, timeout=LIMIT_S)
