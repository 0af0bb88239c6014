"""Which llama.cpp the installer chooses, by processor, card and driver."""

import shutil
from pathlib import Path

import pytest

from tests.installer import call, card, machine, rehearse

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.mark.parametrize(
    ("name", "capability", "cuda", "words"),
    [
        ("NVIDIA L4", "8.9", "12.4", "llama.cpp for CUDA 12.4 (NVIDIA L4)"),
        ("NVIDIA L4", "8.9", "12.9", "llama.cpp for CUDA 12.5 (NVIDIA L4)"),
        ("NVIDIA H200", "9.0", "13.1", "llama.cpp for CUDA 13.0 (NVIDIA H200)"),
        ("Tesla V100", "7.0", "13.2", "llama.cpp for CUDA 12.5 (Tesla V100)"),
        ("Tesla P4", "6.1", "11.8", "llama.cpp for CUDA 11.8 (Tesla P4)"),
        ("Tesla K80", "3.7", "11.4", "llama.cpp for the CPU"),
    ],
)
def test_the_card_and_its_driver_choose_the_engine(
    tmp_path: Path, name: str, capability: str, cuda: str, words: str
) -> None:
    tools = card(tmp_path, name, capability, cuda, 24_000)
    said = rehearse("--yes", "--model", "demo", tools=tools)[1]
    assert words in said
    assert ("it will not be used" in said) == ("CPU" in words)


@pytest.mark.parametrize(
    ("capability", "cuda", "version"),
    [
        # The driver's CUDA, from below the oldest wheel to above the newest.
        ("8.9", "11.7", ""),
        ("8.9", "11.8", "11.8"),
        ("8.9", "12.0", "11.8"),
        ("8.9", "12.1", "12.1"),
        ("8.9", "12.2", "12.2"),
        ("8.9", "12.3", "12.3"),
        ("8.9", "12.8", "12.5"),
        ("8.9", "13.0", "13.0"),
        ("8.9", "13.1", "13.0"),
        ("8.9", "13.2", "13.2"),
        ("8.9", "14.0", "13.2"),
        # The card, where old and new CUDA part.
        ("5.2", "13.2", ""),
        ("6.0", "13.2", "12.5"),
        ("7.0", "12.5", "12.5"),
        ("7.5", "13.2", "13.2"),
        ("9.0", "11.8", ""),
        ("10.0", "12.4", "12.4"),
        ("12.0", "13.0", "13.0"),
        # nvidia-smi without a card, or an old one that does not tell.
        ("", "12.4", ""),
        ("8.9", "", ""),
    ],
)
def test_the_newest_wheel_that_driver_and_card_can_run(
    capability: str, cuda: str, version: str
) -> None:
    script = f'uname() {{ echo x86_64; }}; cuda_wheel "{cuda}" "{capability}"'
    assert call(script, "install_engine").strip() == version


def test_arm_is_served_by_the_cpu_also_where_there_is_a_card(tmp_path: Path) -> None:
    tools = machine(card(tmp_path, "NVIDIA GH200", "9.0", "13.0", 96_000), "aarch64")
    said = rehearse("--yes", "--model", "demo", tools=tools)[1]
    assert " on aarch64, " in said
    assert "llama.cpp for the CPU" in said
    assert "for NVIDIA GH200 with CUDA 13.0 on aarch64 there are no wheels" in said
    assert "AVX2" not in said
    said = rehearse("--yes", "--model", "demo", "--gpu", tools=tools)[1]
    assert "problem: for NVIDIA GH200 with CUDA 13.0 on aarch64 there are no wheels" in said


def test_other_processors_are_refused(tmp_path: Path) -> None:
    code, said = rehearse("--yes", "--model", "demo", tools=machine(tmp_path, "riscv64"))
    assert code == 1
    assert "problem: riscv64 is not supported; x86-64 and arm64 are" in said


def test_a_card_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    code, said = rehearse(
        "--yes", "--gpu", tools=card(tmp_path, "Tesla K80", "3.7", "11.4", 12_000)
    )
    assert code == 1
    assert "for Tesla K80 with CUDA 11.4 on x86_64 there are no wheels" in said
