"""What the machine is and what it is doing: processor, memory, swap, cgroups, as Linux tells it.

Reads /proc and /sys and knows no model. Where the system does not say, a figure is 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

ROOT = Path("/")
# What llama.cpp makes use of: the flag of the processor -> its word for a build that does.
FEATURES = {
    "avx": "AVX",
    "avx2": "AVX2",
    "avx_vnni": "AVX_VNNI",
    "avx512f": "AVX512",
    "avx512_vnni": "AVX512_VNNI",
    "avx512_bf16": "AVX512_BF16",
    "amx_int8": "AMX_INT8",
    "asimddp": "DOTPROD",
    "i8mm": "MATMUL_INT8",
    "sve": "SVE",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """`features` in llama.cpp's words; `cores` without the second threads of a core. Bytes: what
    the machine has, or less where a cgroup grants less.
    """

    processor: str
    features: frozenset[str]
    cores: int
    memory_bytes: int
    swap_bytes: int
    nvidia_driver: bool

    @classmethod
    def look(cls, root: Path = ROOT) -> "Machine":
        text = _text(root / "proc/cpuinfo")
        flags = set((_field(text, "flags") or _field(text, "Features")).split())
        memory = _text(root / "proc/meminfo")
        total = _kilobytes(memory, "MemTotal")
        return cls(
            processor=_field(text, "model name") or "a processor without a name",
            features=frozenset(word for flag, word in FEATURES.items() if flag in flags),
            cores=_cores(text),
            memory_bytes=min([total, *_limits(root)]),
            swap_bytes=_kilobytes(memory, "SwapTotal"),
            nvidia_driver=(root / "proc/driver/nvidia/version").exists(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Counters of the whole machine since its start; `since` tells what came meanwhile. Seconds of
    all processors together: `stolen_s` the host gave to others; `throttled_s` this cgroup's quota
    took. Bytes: `disk_bytes` read, `swapped_bytes` brought back from swap.
    """

    busy_s: float
    stolen_s: float
    throttled_s: float
    disk_bytes: int
    swapped_bytes: int

    @classmethod
    def look(cls, ticks_a_second: int, root: Path = ROOT) -> "Activity":
        first = (_text(root / "proc/stat").splitlines() or [""])[0]
        ticks = [int(word) for word in first.split()[1:9]] or [0] * 8
        memory = _counters(_text(root / "proc/vmstat"))
        return cls(
            busy_s=(sum(ticks[:7]) - ticks[3] - ticks[4]) / ticks_a_second,
            stolen_s=ticks[7] / ticks_a_second,
            throttled_s=sum(_throttled(root)),
            disk_bytes=memory.get("pgpgin", 0) << 10,
            # Pages; the kernel's are 4 KiB where this runs.
            swapped_bytes=memory.get("pswpin", 0) << 12,
        )

    def since(self, before: "Activity") -> "Activity":
        names = [each.name for each in fields(self)]
        return Activity(**{name: getattr(self, name) - getattr(before, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of this machine. Bytes: `resident` in memory, pages of files included, `swapped`
    out of it. `cpu_s`: processor time so far.
    """

    resident: int
    swapped: int
    cpu_s: float

    @classmethod
    def look(cls, pid: int, ticks_a_second: int, root: Path = ROOT) -> "Process":
        status = _text(root / f"proc/{pid}/status")
        # The name before it may hold anything, but ends with the last bracket.
        words = _text(root / f"proc/{pid}/stat").rpartition(")")[2].split()
        ticks = sum(int(word) for word in words[11:13])
        return cls(
            resident=_kilobytes(status, "VmRSS"),
            swapped=_kilobytes(status, "VmSwap"),
            cpu_s=ticks / ticks_a_second,
        )


def processes(command: str, root: Path = ROOT) -> list[int]:
    """The processes whose command line holds `command`, arguments parted by spaces."""
    found = []
    for folder in (root / "proc").glob("[0-9]*"):
        words = _text(folder / "cmdline").split("\0")
        if command in " ".join(words):
            found.append(int(folder.name))
    return sorted(found)


def _cores(cpuinfo: str) -> int:
    """Pairs of package and core, each once; 0 where the system tells none."""
    cores = set()
    for block in cpuinfo.split("\n\n"):
        if core := _field(block, "core id"):
            cores.add((_field(block, "physical id"), core))
    return len(cores)


def _limits(root: Path) -> Iterator[int]:
    """The memory that each cgroup above this process grants, where it grants a certain one."""
    for folder in _cgroups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name).strip()
            if text.isdigit():
                yield int(text)


def _throttled(root: Path) -> Iterator[float]:
    for folder in _cgroups(root, "cpu"):
        counters = _counters(_text(folder / "cpu.stat"))
        yield counters.get("throttled_usec", 0) / 1e6 + counters.get("throttled_time", 0) / 1e9


def _cgroups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's cgroups, from its own up."""
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = base / controllers if controllers else base
        folder = top / path.lstrip("/")
        yield from (
            each for each in (folder, *folder.parents) if each == top or top in each.parents
        )


def _counters(text: str) -> dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _kilobytes(text: str, name: str) -> int:
    words = _field(text, name).split()
    return int(words[0]) << 10 if words and words[0].isdigit() else 0


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
