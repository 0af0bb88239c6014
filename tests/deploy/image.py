"""The image, built by buildah and run as Docker would run it, but by hand: in namespaces of its
own, as its own user, without capabilities. No engine is needed, only root.
"""

import ctypes
import json
import os
import queue
import re
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# buildah with its own flags, such as those that name a storage.
BUILDAH = shlex.split(os.environ.get("GPT_API_DEPLOY_BUILDAH", "buildah"))
CLONE_NEWNET = 0x40000000
BUILD_LIMIT_S = 3600
PULL_LIMIT_S = 300
# What it is made of unless an argument of the build says otherwise.
BASES = re.compile(r"^FROM \$\{\w+:-([^}]+)\}", re.MULTILINE)
LINE_LIMIT_S = 120
USER = 1000

# As process 1 of its namespaces: what an engine lays out, then the image's own command.
RUN = """
set -eu
root=$1 volume=$2 writable=$3; shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$volume" "$root/app/models"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero random urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ip link set lo up
[ "$writable" = 1 ] || mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""


def missing() -> str:
    """Why no image can be built and run here, if none can."""
    if os.geteuid() != 0:
        return "needs root"
    if absent := [each for each in (BUILDAH[0], "unshare", "nsenter") if not shutil.which(each)]:
        return f"needs {absent[0]}"
    probe = ["unshare", "--mount", "--pid", "--net", "--fork", "true"]
    if subprocess.run(probe, capture_output=True).returncode:
        return "needs the right to make namespaces"
    return ""


def buildah(*arguments: str, limit_s: float = 300) -> str:
    """What buildah says. Fails when it does."""
    done = subprocess.run(
        [*BUILDAH, *arguments], stdout=subprocess.PIPE, text=True, timeout=limit_s, check=True
    )
    return done.stdout.strip()


def unreachable() -> str:
    """Why what the image is made of is not to be had here, if it is not."""
    for base in set(BASES.findall((ROOT / "Dockerfile").read_text())):
        try:
            buildah("pull", "--policy", "missing", base, limit_s=PULL_LIMIT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return f"{base} is neither here nor to be had; GPT_API_DEPLOY_IMAGE names a built image"
    return ""


def build(name: str) -> None:
    flags = ("--isolation", "chroot", "--layers", "--tag", name)
    buildah("bud", *flags, str(ROOT), limit_s=BUILD_LIMIT_S)


class Image:
    """What was built: its files, and how it says that it is to be run."""

    def __init__(self, name: str) -> None:
        self._working = buildah("from", "--pull-never", name)
        self.root = buildah("mount", self._working)
        told = json.loads(buildah("inspect", "--type", "image", name))["OCIv1"]["config"]
        self.user: str = told["User"]
        self.folder: str = told["WorkingDir"]
        self.environment = dict(each.split("=", 1) for each in told["Env"])
        self.entrypoint: list[str] = told["Entrypoint"]
        self.command: list[str] = told["Cmd"]

    def close(self) -> None:
        buildah("rm", self._working)


class Container:
    """A run of an image, from its construction on. The folder `volume` is its /app/models."""

    def __init__(
        self,
        image: Image,
        volume: Path,
        *arguments: str,
        writable: bool = False,
        entrypoint: Sequence[str] | None = None,
        **variables: str,
    ) -> None:
        self._image = image
        self._variables = {**image.environment, **variables}
        command = [*(entrypoint or image.entrypoint), *(arguments or image.command)]
        spaces = ("unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--fork")
        places = (image.root, str(volume), str(int(writable)))
        self._process = subprocess.Popen(
            [*spaces, "--kill-child=KILL", "sh", "-c", RUN, "run", *places, *self._inside(command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of its process 1, as this machine counts."""
        mine = self._process.pid
        return int(Path(f"/proc/{mine}/task/{mine}/children").read_text().split()[0])

    def wait_for(self, words: str) -> re.Match[str]:
        """The first line not yet looked at in which the pattern is found."""
        while (line := self._lines.get(timeout=LINE_LIMIT_S)) is not None:
            if match := re.search(words, line):
                return match
        raise AssertionError(f"it ended without {words}:\n" + "\n".join(self.log))

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Another command inside, as `docker exec` does it."""
        spaces = ["nsenter", "--target", str(self.pid), "--mount", "--pid", "--net"]
        return subprocess.run(
            [*spaces, "chroot", self._image.root, *self._inside(command)],
            capture_output=True,
            text=True,
            timeout=LINE_LIMIT_S,
        )

    @contextmanager
    def network(self) -> Iterator[None]:
        """This thread's sockets are made in its network meanwhile."""
        with open("/proc/thread-self/ns/net") as own, open(f"/proc/{self.pid}/ns/net") as inner:
            _enter(inner.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to end, as `docker stop` does; its exit status."""
        if self._process.poll() is None:
            os.kill(self.pid, number)
        return self.wait()

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        status = self._process.wait(LINE_LIMIT_S)
        self._reader.join(LINE_LIMIT_S)
        return status

    def _inside(self, command: Any) -> list[str]:
        words = [f"{name}={text}" for name, text in self._variables.items()]
        identity = (f"--reuid={self._image.user}", f"--regid={self._image.user}", "--clear-groups")
        powers = ("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs")
        clean = ["env", "-i", "-C", self._image.folder, *words]
        return [*clean, "setpriv", *identity, *powers, "--", *command]

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self.log.append(line.rstrip())
                self._lines.put(line.rstrip())
        self._lines.put(None)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
