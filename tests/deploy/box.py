"""A machine of its own for a test: this one's files, a systemd booted for it, a network."""

import os
import re
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("box.sh")
OUTER, INNER = "10.78.0.1", "10.78.0.2"
LIMIT_S = 300


def missing() -> str:
    """Why no box can be booted here, if none can."""
    if os.geteuid() != 0:
        return "needs root"
    tools = ("unshare", "nsenter", "setpriv", "ip", "mount")
    if absent := [tool for tool in tools if shutil.which(tool) is None]:
        return f"needs {absent[0]}"
    if not Path("/lib/systemd/systemd").exists():
        return "needs systemd"
    if "cgroup2" not in Path("/proc/self/mounts").read_text():
        return "needs cgroup2"
    probe = ["unshare", "--mount", "--pid", "--net", "--cgroup", "--fork", "true"]
    if subprocess.run(probe, capture_output=True).returncode:
        return "needs the right to make namespaces"
    return ""


class Box:
    """Boots at once. `folders` are bound read-only, by their places inside."""

    def __init__(self, state: Path, lower: str, folders: dict[str, Path]) -> None:
        self._state = str(state)
        binds = [f"{outside}:{inside}" for inside, outside in folders.items()]
        subprocess.run(
            [SCRIPT, "start", self._state, lower, OUTER, INNER, *binds],
            check=True,
            timeout=LIMIT_S,
            stdout=subprocess.DEVNULL,
        )

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

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """A command that is run inside meanwhile."""
        return subprocess.Popen(
            [SCRIPT, "exec", self._state, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
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

    def stop(self) -> None:
        subprocess.run([SCRIPT, "stop", self._state], check=True, timeout=LIMIT_S)
