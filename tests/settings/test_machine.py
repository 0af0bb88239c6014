"""CPUs granted by cgroups, against the files that Linux writes."""

import os
from pathlib import Path

import pytest

from server.settings.machine import granted_cpus

MASK = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def lay_out(root: Path, proc: str, files: dict[str, str]) -> int:
    (root / "proc").write_text(proc)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return granted_cpus(root / "proc", root)


@pytest.mark.parametrize(
    ("proc", "files", "granted"),
    [
        ("0::/\n", {}, MASK),
        ("0::/\n", {"cpu.max": "max 100000\n"}, MASK),
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "99900000 100000\n"}, MASK),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1),
        ("0::/a/b\n", {"unified/a/cpu.max": "100000 100000\n"}, 1),
        (
            "3:cpu,cpuacct:/a\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "1000\n", "cpu/a/cpu.cfs_period_us": "1\n"},
            MASK,
        ),
        (
            "3:cpu,cpuacct:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            1,
        ),
        (
            "3:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            MASK,
        ),
        ("3:memory:/\n", {"memory/cpu.cfs_quota_us": "1\n"}, MASK),
        ("nonsense\n", {"cpu.max": "x y"}, MASK),
    ],
)
def test_quota_lowers_the_count(tmp_path: Path, proc: str, files: dict[str, str], granted: int):
    assert lay_out(tmp_path, proc, files) == granted


def test_without_any_file_the_mask_decides(tmp_path: Path):
    assert granted_cpus(tmp_path / "absent", tmp_path) == MASK
