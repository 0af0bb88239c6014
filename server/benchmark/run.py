"""One run of the benchmark: chooses what is measured, and measures it beside the machine's own
counters. Prints nothing.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from server import running, surveying
from server.benchmark.facts import Observed, Outcome, outcome
from server.benchmark.scenarios import Plan, measure
from server.benchmark.targets import LoadedHere, RunningServer, Target
from server.check_client.address import Address, read_address
from server.check_client.key_field import read_key
from server.doctor import engine, model, room
from server.machine import Machine, Process, processes
from server.running import Listener
from server.settings.load import find, load
from server.settings.machine import granted_cpus
from server.settings.registry_file import Listing, LocalSource
from server.settings.served import served
from server.settings.settings import Settings
from server.settings.slices import local_options
from server.surveying import SurveyFailed
from server.verdicts import Failure
from server.worker.messages import ModelOptions
from server.worker.survey import Survey, SurveyRequest

SUBJECT = "bench"
MEASUREMENTS = 3
PATIENCE_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`flags`: settings by field, as of `serve`. With `base_url` a server there is measured, which
    `key` opens. `seconds`: about how long to measure in all.
    """

    flags: Mapping[str, str]
    base_url: str = ""
    key: str = ""
    seconds: float = 60.0


async def run(wanted: Wanted, say: Callable[[str], None]) -> Outcome:
    """Errors: Failure, SettingsError."""
    if wanted.base_url:
        return await _there(wanted, _address(wanted.base_url), say)
    settings = load(wanted.flags)
    if (found := _what_runs(settings)) is not None:
        return await _there(wanted, found.address, say)
    listing = _listing(settings)
    options = _options(settings, listing)
    survey = _survey(options)
    _refuse_what_does_not_fit(survey)
    say(f"loading {options.path}")
    notes = survey.model.notes if survey.model else ()
    place = _Place(f"{Path(options.path).name}, loaded for this", survey, notes, loaded=True)
    plan = _plan(wanted, settings, options)
    return await _measured(LoadedHere(settings, listing, say), plan, place, say)


async def _there(wanted: Wanted, address: Address, say: Callable[[str], None]) -> Outcome:
    """Measure a server that runs; of the machine something is known where it is this one."""
    try:
        key, _ = read_key(wanted.key)
    except ValueError as error:
        raise Failure(SUBJECT, str(error)) from None
    here = address.reach == "machine"
    settings = load(wanted.flags) if here else find(wanted.flags).settings
    survey, options = _guess(settings) if here else (None, None)
    say(f"measuring the server at {address.root}, whoever else asks it")
    detail = running.ask(address).detail
    place = _Place(f"the server at {address.root}", survey, (detail,) if detail else ())
    plan = _plan(wanted, settings, options)
    # All is asked with one key, which may not have all places.
    places = settings.n_parallel_per_key or plan.streams
    plan = dataclasses.replace(plan, streams=min(plan.streams, places))
    return await _measured(RunningServer(address, key, PATIENCE_S), plan, place, say)


def _address(text: str) -> Address:
    try:
        return read_address(text)
    except ValueError as error:
        raise Failure(SUBJECT, str(error)) from None


def _plan(wanted: Wanted, settings: Settings, options: ModelOptions | None) -> Plan:
    """Of a model that is not known as far as the settings tell."""
    return Plan(
        seconds=wanted.seconds / MEASUREMENTS,
        streams=options.slots if options else settings.n_parallel,
        context_length=options.context_length if options else settings.context_length,
        threads=settings.n_threads or granted_cpus(),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """`survey` is None for a machine elsewhere; `notes`: how the model was loaded; `loaded`: it was
    so for this.
    """

    what: str
    survey: Survey | None
    notes: tuple[str, ...] = ()
    loaded: bool = False


async def _measured(
    target: Target, plan: Plan, place: _Place, say: Callable[[str], None]
) -> Outcome:
    ticks = os.sysconf("SC_CLK_TCK")
    async with target:
        before = _workers(ticks)
        own_before = sum(os.times()[:2])
        speeds = await measure(target, plan, say)
        own_s = sum(os.times()[:2]) - own_before
        used = {
            pid: (each.cpu_s - before[pid].cpu_s, each)
            for pid, each in _workers(ticks).items()
            if pid in before
        }
    # Others may run here too; the one that was measured is the one that worked.
    worked_s, worker = max(used.values(), key=lambda each: each[0], default=(0.0, None))
    observed = Observed(
        what=place.what,
        notes=place.notes,
        loaded=place.loaded,
        speeds=speeds,
        survey=place.survey,
        worker=worker if place.survey else None,
        known_cpu_s=worked_s + own_s,
        threads=plan.threads,
        granted_cpus=granted_cpus(),
        machine=Machine.look(),
    )
    return outcome(observed)


def _workers(ticks: int) -> dict[int, Process]:
    return {pid: Process.look(pid, ticks) for pid in processes(running.WORKER)}


def _what_runs(settings: Settings) -> Listener | None:
    """The server to measure instead of loading the model a second time. Errors: Failure for one
    that cannot be measured now.
    """
    found = running.listener(settings)
    if found is not None and found.ours:
        if found.status not in ("ok", "healthy"):
            words = f"a gpt-api is starting or ending here ({found.status})"
            raise Failure(SUBJECT, words, "wait until it is ready; a second model would harm it")
        return found
    unit = running.unit()
    if unit is not None and unit.state in ("active", "activating", "reloading", "deactivating"):
        raise Failure(
            SUBJECT,
            f"gpt-api.service is {unit.state} and does not listen on port {settings.port}:"
            " a second copy of the model would harm it",
            "say where it listens with --base-url, or stop it first: systemctl stop gpt-api",
        )
    return None


def _listing(settings: Settings) -> Listing:
    """The model that answers by default. Errors: Failure where that is not computed here."""
    listing = served(settings).default_listing
    if listing is None or not isinstance(listing.origin, LocalSource):
        words = "the default model is that of another server"
        raise Failure(SUBJECT, words, "name one of this machine: --default-model, or --model")
    return listing


def _options(settings: Settings, listing: Listing) -> ModelOptions:
    """How it would be loaded. Errors: Failure where its file is not here."""
    options = local_options(settings, listing, resident=True).model
    assert isinstance(options, ModelOptions)
    file = model.file_of(settings, listing)
    if file is None:
        words = f"{listing.local_model} is not in {Path(options.path).parent} yet"
        raise Failure(SUBJECT, words, f"gpt-api pull {listing.local_model} fetches it")
    return replace(options, path=str(file))


def _guess(settings: Settings) -> tuple[Survey | None, ModelOptions | None]:
    """What the server on this machine has, if it is the configured model."""
    try:
        options = _options(settings, _listing(settings))
    except Failure:
        return None, None
    return _survey(options), options


def _survey(options: ModelOptions) -> Survey:
    try:
        return surveying.look(SurveyRequest(model=options, bandwidth_threads=options.threads))
    except SurveyFailed as error:
        raise Failure(
            SUBJECT, f"llama-cpp-python does not run here ({error})", engine.BUILD_HERE
        ) from None


def _refuse_what_does_not_fit(survey: Survey | None) -> None:
    if survey is None or survey.model is None:
        return
    if survey.model.error:
        raise Failure(SUBJECT, survey.model.error, "see gpt-api doctor")
    total = Machine.look().memory_bytes
    found = room.main_memory(survey.model, total, survey.available_bytes, runs=False)
    if found.state == "failed":
        raise Failure(SUBJECT, found.words, found.way_out)
