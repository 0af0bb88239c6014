"""How much memory this process may still take: what the machine has and what its cgroups allow.
Reads /proc and /sys, knows no model.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path("/")


def available_bytes(root: Path = ROOT, *, mapped: bool = False) -> int | None:
    """Bytes that can be allocated before something is killed or swapped; None where the system does
    not say. `root` is where proc and sys are found. With `mapped` what files in use take of a
    cgroup's memory counts as available, as it does of the machine's.
    """
    files = ("inactive_file", "active_file") if mapped else ("inactive_file",)
    limits = [*_machine(root), *_cgroups(root, files)]
    return min(limits, default=None)


def _machine(root: Path) -> Iterator[int]:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _cgroups(root: Path, files: Sequence[str]) -> Iterator[int]:
    """What is left in each memory cgroup from this process's own up to the root; `files` are the
    parts of its page cache that count as free.
    """
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _groups(base, path, ("memory.max", "memory.current"), files)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            totals = [f"total_{each}" for each in files]
            yield from _groups(base / "memory", path, names, totals)


def _groups(
    base: Path, path: str, names: tuple[str, str], reclaimable: Sequence[str]
) -> Iterator[int]:
    limit, used = names
    folder = base / path.lstrip("/")
    for group in (folder, *folder.parents):
        ceiling, current = _text(group / limit).strip(), _text(group / used).strip()
        if ceiling.isdigit() and current.isdigit():
            # Page cache counts as used but is given up on demand.
            cached = sum(_statistic(group / "memory.stat", each) for each in reclaimable)
            yield max(int(ceiling) - int(current) + cached, 0)
        if group == base:
            break


def _statistic(path: Path, name: str) -> int:
    for line in _text(path).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
