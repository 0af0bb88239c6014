"""How many CPUs this process was granted: by its affinity mask and by its cgroups' quotas; and
whether there is a graphics card.

Linux only in its second half; elsewhere the mask, or the machine, is the answer.
"""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path, PurePosixPath

_PROC = Path("/proc/self/cgroup")
_CGROUPS = Path("/sys/fs/cgroup")
# What the drivers of NVIDIA and AMD make for programs that compute.
_CARDS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))


def has_graphics_card() -> bool:
    """Whether a driver is there; whether llama.cpp can use the card is not looked at."""
    return any(device.exists() for device in _CARDS)


def granted_cpus(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Whole CPUs, at least 1; a fraction of one counts as one."""
    quotas = [ceil(quota) for quota in _quotas(proc, cgroups)]
    return max(1, min([_affinity(), *quotas]))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(proc: Path, cgroups: Path) -> Iterator[float]:
    """The CPU quota of every cgroup above this process that has one, in CPUs."""
    for line in _read(proc).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        places = [PurePosixPath(path), *PurePosixPath(path).parents]
        for place in (place.relative_to("/") for place in places if place.is_absolute()):
            if not controllers:
                yield from _unified(_read(cgroups / place / "cpu.max"))
                yield from _unified(_read(cgroups / "unified" / place / "cpu.max"))
            elif "cpu" in controllers.split(","):
                yield from _legacy(cgroups / controllers / place)
                yield from _legacy(cgroups / "cpu" / place)


def _unified(text: str) -> Iterator[float]:
    """cgroup v2 writes "QUOTA PERIOD" in microseconds, or "max PERIOD"."""
    quota, _, period = text.strip().partition(" ")
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        yield int(quota) / int(period)


def _legacy(folder: Path) -> Iterator[float]:
    quota = _read(folder / "cpu.cfs_quota_us").strip()
    yield from _unified(f"{quota} {_read(folder / 'cpu.cfs_period_us').strip()}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
