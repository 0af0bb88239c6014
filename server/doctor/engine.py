"""Whether llama.cpp runs here, whether its build fits the processor, and whether it finds the card.

Knows what is there, not how it was found out.
"""

import shutil

from server.machine import Machine
from server.settings.settings import Settings
from server.verdicts import Verdict, failed, note, ok
from server.worker.survey import Survey

BUILD_HERE = "build it for this processor: sudo scripts/install.sh --engine source"
WITH_CUDA = "install the build for CUDA: sudo scripts/install.sh --gpu"
# Without it every number is computed almost one by one.
NEEDED = {"AVX2", "DOTPROD"}
# What speeds up prompts and answers where a build makes use of it.
TELLING = (
    "AVX2",
    "AVX_VNNI",
    "AVX512",
    "AVX512_VNNI",
    "AVX512_BF16",
    "AMX_INT8",
    "MATMUL_INT8",
    "SVE",
)


def processor(machine: Machine) -> Verdict:
    have = ", ".join(feature for feature in TELLING if feature in machine.features)
    cores = f", {machine.cores} cores" if machine.cores else ""
    words = f"{machine.processor}{cores}, {have or 'without AVX2'}"
    if not machine.features & NEEDED:
        return note("processor", words, "answers will be very slow: take a newer machine")
    return ok("processor", words)


def broken(last_words: str) -> Verdict:
    return failed(
        "engine",
        f"llama-cpp-python does not run here ({last_words})",
        f"install it again, or {BUILD_HERE}",
    )


def build(survey: Survey, machine: Machine) -> Verdict:
    words = f"llama-cpp-python {survey.version}"
    if missing := unused(survey.features, machine):
        lacks = ", ".join(missing)
        return note("engine", f"{words} makes no use of the processor's {lacks}", BUILD_HERE)
    return ok("engine", f"{words} runs, and makes use of this processor")


def unused(features: tuple[str, ...], machine: Machine) -> list[str]:
    """What the processor could do and the build does not."""
    return [each for each in TELLING if each in machine.features and each not in features]


def cards(settings: Settings, survey: Survey, machine: Machine) -> Verdict:
    names = ", ".join(f"{card.name} ({card.free / 1e9:.1f} GB free)" for card in survey.cards)
    there = machine.nvidia_driver or shutil.which("nvidia-smi") is not None
    if survey.cards and settings.gpu_layers == 0:
        return note("GPU", f"{names} is not used, as configured", "set N_GPU_LAYERS=auto")
    if survey.cards:
        return ok("GPU", names)
    if there and not survey.gpu_build:
        words = "there is an NVIDIA driver, and llama-cpp-python was built without CUDA"
        return (failed if settings.require_gpu else note)("GPU", words, WITH_CUDA)
    if settings.require_gpu:
        words = "REQUIRE_GPU is set, and llama.cpp finds no card"
        return failed("GPU", words, "see nvidia-smi; or set REQUIRE_GPU=0 to compute on the CPU")
    if survey.gpu_build:
        return note("GPU", "the build could use one, and finds none", "see nvidia-smi")
    return ok("GPU", "none; answers are computed on the CPU")
