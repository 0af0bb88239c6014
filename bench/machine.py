"""A description of the machine that numbers come from."""

import os
import platform
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
