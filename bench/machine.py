"""The machine that numbers come from: what it is, and what else it was doing."""

import os
import platform
import time
from importlib.metadata import version
from pathlib import Path


def describe() -> dict[str, str]:
    """What a reader needs to place the numbers, in words."""
    return {
        "processor": f"{_field('/proc/cpuinfo', 'model name') or platform.machine()}",
        "cores granted": str(len(os.sched_getaffinity(0))),
        "instructions": _instructions(),
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "llama-cpp-python": version("llama-cpp-python"),
    }


class Elsewhere:
    """Processor time that went to others than this process and those it started and waited for:
    numbers taken beside another load say nothing.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._busy_s, self._own_s = _busy_s(), _own_s()

    def cores(self) -> float:
        """Processors that others kept busy since, on average."""
        others_s = (_busy_s() - self._busy_s) - (_own_s() - self._own_s)
        return max(0.0, others_s / (time.monotonic() - self._started))


def _busy_s() -> float:
    """Seconds that all processors together worked: all but idle and waiting for a device."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:8]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _instructions() -> str:
    flags = _field("/proc/cpuinfo", "flags").split()
    telling = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
    return " ".join(flag for flag in telling if flag in flags) or "not known"


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
