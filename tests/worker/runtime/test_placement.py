from pathlib import Path

import pytest

from server.worker.runtime.context import unit_tokens
from server.worker.runtime.memory import available_bytes
from server.worker.runtime.placement import (
    GIB,
    Shape,
    fitting_layers,
    padded,
    repacks,
    snapshot_budget,
)

# gpt-oss-20b, MXFP4.
SHAPE = Shape(
    weight_bytes=12_100_000_000,
    layers=24,
    expert_share=0.9,
    kv_bytes_per_cell=2048,
    sliding_layers=12,
    sliding_window=128,
)


def test_the_kv_cache_of_windows_is_small() -> None:
    one = SHAPE.kv_bytes(16384, 1, 512)
    assert one == 2048 * 12 * (16384 + 768)
    assert SHAPE.kv_bytes(16384, 4, 512) == 4 * one
    assert SHAPE.kv_bytes(256, 1, 512) == 2048 * 24 * 256


def test_padding() -> None:
    assert [padded(cells) for cells in (1, 256, 257)] == [256, 256, 512]


@pytest.mark.parametrize(
    ("free_gib", "cpu_moe", "layers"),
    [(0.5, 0, 0), (1.5, 0, 1), (8, 0, 14), (24, 0, -1), (8, 24, -1), (8, 20, -1), (2, 24, 9)],
)
def test_layers_that_fit(free_gib: float, cpu_moe: int, layers: int) -> None:
    kv_bytes = SHAPE.kv_bytes(16384, 1, 512)
    assert fitting_layers(SHAPE, int(free_gib * GIB), kv_bytes, cpu_moe) == pytest.approx(
        layers, abs=1 if layers > 1 else 0
    )


def test_repacking_wants_room() -> None:
    weights, kv = 12 * GIB, 2 * GIB
    assert repacks("auto", weights, kv, 16 * GIB)[0] is True
    assert repacks("auto", weights, kv, 16 * GIB - 1)[0] is False
    assert repacks("auto", weights, kv, None)[0] is False
    assert repacks("on", weights, kv, 0)[0] is True
    assert repacks("off", weights, kv, 100 * GIB)[0] is False
    assert "16.0 GiB needed" in repacks("auto", weights, kv, 16 * GIB)[1]


def test_units_shrink_with_long_contexts() -> None:
    assert unit_tokens(False, 64, 131072) == 512
    assert [unit_tokens(True, 64, length) for length in (4096, 16384, 32768, 131072)] == [
        128,
        128,
        64,
        32,
    ]


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = "MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n"


def test_a_machine_without_cgroups(tmp_path: Path) -> None:
    assert available_bytes(machine(tmp_path, {"proc/meminfo": MEMINFO})) == 8_000_000 * 1024


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) is None


def test_the_tightest_cgroup_counts(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/system.slice/gpt-api.service\n",
            "sys/fs/cgroup/system.slice/memory.max": "5000000000\n",
            "sys/fs/cgroup/system.slice/memory.current": "3000000000\n",
            "sys/fs/cgroup/system.slice/memory.stat": "anon 1\ninactive_file 1000000000\n",
            "sys/fs/cgroup/system.slice/gpt-api.service/memory.max": "max\n",
            "sys/fs/cgroup/system.slice/gpt-api.service/memory.current": "7\n",
        },
    )
    assert available_bytes(root) == 3_000_000_000


def test_files_in_use_may_count_as_available(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/gpt-api.service"
    root = machine(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/gpt-api.service\n",
            f"{group}/memory.max": "5000000000\n",
            f"{group}/memory.current": "4000000000\n",
            f"{group}/memory.stat": "inactive_file 1000000000\nactive_file 500000000\n",
        },
    )
    assert available_bytes(root) == 2_000_000_000
    assert available_bytes(root, mapped=True) == 2_500_000_000


def test_cgroups_of_the_first_kind(tmp_path: Path) -> None:
    root = machine(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:cpu,cpuacct:/x\n3:memory:/docker/abc\n",
            "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "2000000000\n",
            "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "2500000000\n",
        },
    )
    assert available_bytes(root) == 0


# --- computed prompts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "available", "paged", "budget", "reason"),
    [
        (0, 8 * GIB, 0, 0, "not kept, as configured"),
        (5 * GIB, GIB, 0, 5 * GIB, "in up to 5120 MiB, as configured"),
        (-1, 4 * GIB, 0, GIB, "in up to 1024 MiB of 4096 free"),
        (-1, 100 * GIB, 0, 2 * GIB, "in up to 2048 MiB"),
        (-1, 16 * GIB, 12 * GIB, GIB, "in up to 1024 MiB of 4096 free"),
        (-1, 8 * GIB, 12 * GIB, 0, "in up to 0 MiB of 0 free"),
        (-1, None, 0, 0, "does not say how much memory is free"),
    ],
)
def test_memory_for_computed_prompts(
    asked: int, available: int | None, paged: int, budget: int, reason: str
) -> None:
    given, sentence = snapshot_budget(asked, available, paged)
    assert given == budget
    assert reason in sentence
