"""What Linux tells of a machine, read from files as they look on several."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.machine import Activity, Machine, Process, processes

CPUINFO = """\
processor : 0
model name : Some CPU @ 2.00GHz
physical id : 0
core id : {first}
flags : fpu avx avx2 f16c avx512f avx512_vnni

processor : 1
model name : Some CPU @ 2.00GHz
physical id : 0
core id : {second}
flags : fpu avx avx2 f16c avx512f avx512_vnni
"""
MEMINFO = "MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\nSwapTotal: 1000 kB\n"
STAT = "cpu  100 0 50 800 30 5 15 40 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "proc/cpuinfo": CPUINFO.format(first=0, second=1),
        "proc/meminfo": MEMINFO,
        "proc/stat": STAT,
        "proc/vmstat": "pgpgin 1000\npswpin 3\n",
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/memory.max": "4000000000\n",
        "sys/fs/cgroup/a/b/memory.max": "max\n",
        "sys/fs/cgroup/a/b/cpu.stat": "usage_usec 5\nthrottled_usec 2500000\n",
    }
    for name, text in files.items():
        write(tmp_path, name, text)
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


def test_a_machine(root: Path):
    machine = Machine.look(root)
    assert machine.processor == "Some CPU @ 2.00GHz"
    assert machine.features == {"AVX", "AVX2", "AVX512", "AVX512_VNNI"}
    assert machine.cores == 2
    assert machine.swap_bytes == 1000 << 10
    assert not machine.nvidia_driver


def test_a_cgroup_may_grant_less_memory_than_there_is(root: Path):
    assert Machine.look(root).memory_bytes == 4_000_000_000
    write(root, "sys/fs/cgroup/a/memory.max", "max\n")
    assert Machine.look(root).memory_bytes == 16_000_000 << 10


def test_an_older_cgroup_counts_too(root: Path):
    write(root, "proc/self/cgroup", "5:memory:/x\n")
    write(root, "sys/fs/cgroup/memory/x/memory.limit_in_bytes", "2000000000\n")
    assert Machine.look(root).memory_bytes == 2_000_000_000


def test_two_threads_of_one_core_are_one_core(root: Path):
    write(root, "proc/cpuinfo", CPUINFO.format(first=3, second=3))
    assert Machine.look(root).cores == 1


def test_a_card_is_known_by_its_driver(root: Path):
    write(root, "proc/driver/nvidia/version", "NVRM version: 570\n")
    assert Machine.look(root).nvidia_driver


def test_what_is_not_told_is_nothing(tmp_path: Path):
    machine = Machine.look(tmp_path)
    assert (machine.cores, machine.memory_bytes, machine.features) == (0, 0, frozenset())
    assert Activity.look(100, tmp_path).busy_s == 0
    assert Process.look(1, 100, tmp_path).resident == 0


def test_activity_is_counted_from_one_look_to_the_next(root: Path):
    before = Activity.look(100, root)
    assert before.busy_s == pytest.approx((100 + 50 + 5 + 15) / 100)
    assert before.throttled_s == 2.5
    write(root, "proc/stat", STAT.replace("100 0 50", "300 0 50").replace(" 40 0 0", " 90 0 0"))
    write(root, "proc/vmstat", "pgpgin 1500\npswpin 5\n")
    since = Activity.look(100, root).since(before)
    assert since.busy_s == pytest.approx(2.0)
    assert since.stolen_s == pytest.approx(0.5)
    assert since.disk_bytes == 500 << 10
    assert since.swapped_bytes == 2 << 12
    assert since.throttled_s == 0


def test_a_process_with_an_odd_name(root: Path):
    write(root, "proc/7/status", "Name:\todd\nVmRSS:\t 2048 kB\nVmSwap:\t 16 kB\n")
    write(root, "proc/7/stat", "7 (a) b) S 1 1 1 0 -1 4 0 0 0 0 250 150 0 0 20 0 1 0 1 1 1\n")
    assert Process.look(7, 100, root) == Process(resident=2048 << 10, swapped=16 << 10, cpu_s=4.0)


def test_processes_are_found_by_their_command_lines():
    child = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", "a-word-of-its-own"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        # While a program is being started, its command line is empty.
        assert child.stdout is not None
        assert child.stdout.readline()
        assert processes("input() a-word-of-its-own") == [child.pid]
    finally:
        child.communicate(b"\n")
    assert Process.look(os.getpid(), os.sysconf("SC_CLK_TCK")).resident > 1 << 20
