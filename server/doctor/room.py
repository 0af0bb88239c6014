"""Whether memory and disk have room: what is needed against what is there, both in figures."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from server.hub.progress import amount
from server.hub.reference import Reference
from server.machine import Machine
from server.settings.settings import Settings
from server.verdicts import Verdict, failed, note, ok
from server.worker.survey import Survey, SurveyedModel

GB = 1e9
# Beside weights and KV cache: buffers of a computation, the gateway, the system.
REST_BYTES = 512 << 20
# Models and the memory, in GB, that a machine for them should have, as a rule of thumb.
KNOWN = (
    ("gemma3 12B", 12),
    ("devstral 24B", 14),
    ("gpt-oss-20b", 16),
    ("qwen3 30B", 24),
    ("gpt-oss-120b", 70),
)
SMALLER = "lower CONTEXT_LENGTH or N_PARALLEL, take a smaller model or a larger machine"


def memory(
    survey: Survey, machine: Machine, model: Path | Reference | None, *, runs: bool
) -> Iterator[Verdict]:
    """`model`: what is configured; of what is not here yet, the size may be known. `runs`: the
    server has its memory already.
    """
    facts = survey.model
    if facts is None:
        size = model.size if isinstance(model, Reference) else None
        if size is None:
            return
        facts = SurveyedModel(weight_bytes=size)
    if facts.error:
        words = facts.error.rstrip(".")
        yield failed("model", words, "download it again: gpt-api pull --force")
        return
    if runs and survey.cards:
        # What would go where now is no word on what is where.
        yield ok("memory", f"{amount(survey.available_bytes or 0)} are free beside the server")
    else:
        yield main_memory(facts, machine.memory_bytes, survey.available_bytes, runs=runs)
        if (on_card := _card_memory(survey)) is not None:
            yield on_card
    if machine.swap_bytes:
        words = f"{amount(machine.swap_bytes)} of swap: weights that land there make answers crawl"
        yield note("swap", words, "have enough memory, or set vm.swappiness=1")


def needed_bytes(model: SurveyedModel) -> int:
    """Of main memory: weights and KV cache, as far as they are not on a card."""
    share = 1 - model.gpu_layers / max(model.layers, 1)
    return int((model.weight_bytes + model.kv_bytes) * share) + REST_BYTES


def main_memory(model: SurveyedModel, total: int, free: int | None, *, runs: bool) -> Verdict:
    needed = needed_bytes(model)
    contexts = f" ({amount(model.kv_bytes)} of it for contexts)" if model.kv_bytes else ""
    words = f"{amount(needed)} needed{contexts}"
    if total and needed > total:
        return failed("memory", f"{words}, and the machine has {amount(total)}", SMALLER)
    if runs:
        return ok("memory", f"{words} of {amount(total)}; the server runs and has its part")
    if free is not None and needed > free:
        words = f"{words}, and {amount(free)} of {amount(total)} are free"
        return failed("memory", words, "end other programs, or " + SMALLER)
    return ok("memory", f"{words}, {amount(free or 0)} of {amount(total)} are free")


def known(machine: Machine, survey: Survey | None) -> Verdict:
    """Which models this machine has room for, as a rule of thumb."""
    cards = sum(card.free for card in survey.cards) if survey else 0
    most = max(machine.memory_bytes, cards)
    fitting = [f"{name} ({need} GB)" for name, need in KNOWN if need * GB <= most * 1.08]
    others = [f"{name} ({need} GB)" for name, need in KNOWN if need * GB > most * 1.08]
    has = (
        f"with {amount(most)} there is room for {', '.join(fitting) or 'none of the known models'}"
    )
    return ok("room", f"{has}; not for {', '.join(others)}" if others else has)


def disk(settings: Settings, missing: int) -> Iterator[Verdict]:
    """`missing`: bytes that are still to be downloaded."""
    yield free_on("disk", settings.download_folder, missing, "models")
    if settings.prefix_cache_dir is not None and settings.prefix_cache_disk.bytes:
        needed = settings.prefix_cache_disk.bytes
        found = free_on("disk", settings.prefix_cache_dir, needed, "computed prompts")
        # What is written there is given up when the disk is full: nothing breaks.
        yield found if found.state == "ok" else note("disk", found.words, "lower PREFIX_CACHE_DISK")


def free_on(subject: str, folder: Path, needed: int, what: str) -> Verdict:
    place = next(each for each in (folder, *folder.parents) if os.path.isdir(each))
    free = shutil.disk_usage(place).free
    words = f"{folder} has {amount(free)} free"
    if needed > free:
        way_out = "free some, or set MODELS_DIR to another disk"
        return failed(subject, f"{words}, and {what} may take {amount(needed)}", way_out)
    return ok(subject, f"{words} for {what}")


def _card_memory(survey: Survey) -> Verdict | None:
    model = survey.model
    if not survey.cards or model is None:
        return None
    words = f"{model.gpu_layers} of {model.layers} layers go to the card"
    if model.gpu_layers < model.layers:
        way_out = "lower CONTEXT_LENGTH or N_PARALLEL, so that more fit, or take a larger card"
        return note("GPU", f"only {words}; the others wait for main memory", way_out)
    return ok("GPU", words)
