"""How much memory this process may still take: what the machine has and what its cgroups allow.
Reads /proc and /sys, knows no model.
"""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def available_bytes(root: Path = ROOT) -> int | None:
    """Bytes that can be allocated before something is killed or swapped; None where the system does
    not say. `root` is where proc and sys are found.
    """
    limits = [*_machine(root), *_cgroups(root)]
    return min(limits, default=None)


def _machine(root: Path) -> Iterator[int]:
    for line in _text(root / "proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _cgroups(root: Path) -> Iterator[int]:
    """What is left in each memory cgroup from this process's own up to the root."""
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _groups(base, path, "memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
            yield from _groups(base / "memory", path, limit, used, "total_inactive_file")


def _groups(base: Path, path: str, limit: str, used: str, reclaimable: str) -> Iterator[int]:
    folder = base / path.lstrip("/")
    for group in (folder, *folder.parents):
        ceiling, current = _text(group / limit).strip(), _text(group / used).strip()
        if ceiling.isdigit() and current.isdigit():
            # Page cache counts as used but is given up on demand.
            spare = int(ceiling) - int(current) + _statistic(group / "memory.stat", reclaimable)
            yield max(spare, 0)
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
