"""Everything that is looked at, in order: settings, machine, engine, model, memory, disk, access.

What is good and what is not is decided in the modules beside this one.
"""

import platform
import sys
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from server import running, surveying
from server.doctor import access, engine, model, room
from server.machine import Machine
from server.settings.load import Findings, find
from server.settings.registry_file import Listing, LocalSource
from server.settings.served import served
from server.settings.settings import Settings
from server.settings.slices import local_options
from server.surveying import SurveyFailed
from server.verdicts import Verdict, failed, note, ok
from server.worker.messages import ModelOptions
from server.worker.survey import Survey, SurveyRequest

OLDEST_PYTHON = (3, 10)
MODEL_SETTINGS = frozenset({"MODEL_PATH", "MODEL_REGISTRY_PATH", "GPT_API_ENV_FILE"})
KEY_SETTINGS = frozenset({"API_KEYS", "API_KEYS_FILE", "GPT_API_ENV_FILE"})


def examine(flags: Mapping[str, str], *, verify: bool) -> Iterator[Verdict]:
    """`flags`: settings by field, as of `serve`. `verify`: read the whole model files, to compare
    their checksums.
    """
    findings = find(flags)
    settings = findings.settings
    yield python()
    yield from of_settings(findings)
    machine = Machine.look()
    yield engine.processor(machine)
    # Of what was written wrongly nothing is known, and the default would be something else.
    bad = {problem.variable for problem in findings.problems}
    listings = [] if bad & MODEL_SETTINGS else local_listings(settings)
    found = _survey(settings, listings)
    if isinstance(found, Verdict):
        yield found
    else:
        yield engine.build(found, machine)
        yield engine.cards(settings, found, machine)
    for listing in listings:
        yield model.whole(settings, listing, model.file_of(settings, listing), verify=verify)
    survey = found if isinstance(found, Survey) else None
    listener = running.listener(settings)
    runs = listener is not None and listener.ours
    yield from _room(survey, listings, machine, runs=runs)
    yield from room.disk(settings, model.missing(settings, listings))
    if not bad & KEY_SETTINGS:
        yield from access.keys(settings)
    yield access.port(settings, listener)
    if (unit := running.unit()) is not None:
        yield access.service(unit)


def local_listings(settings: Settings) -> list[Listing]:
    """The models that are computed here, that which answers by default first."""
    models = served(settings)
    here = [each for each in models.listings if isinstance(each.origin, LocalSource)]
    return sorted(here, key=lambda each: each is not models.default_listing)


def _room(
    survey: Survey | None, listings: Sequence[Listing], machine: Machine, *, runs: bool
) -> Iterator[Verdict]:
    if survey is not None and listings:
        yield from room.memory(survey, machine, listings[0].local_model, runs=runs)
    yield room.known(machine, survey)


def python() -> Verdict:
    words = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < OLDEST_PYTHON:
        return failed("python", words, "3.10 or newer is needed: install anew with a newer one")
    return ok("python", words)


def of_settings(findings: Findings) -> Iterator[Verdict]:
    for problem in findings.problems:
        words, _, way_out = problem.sentence.rpartition("; ")
        yield failed(
            "settings", f"{problem.variable}: {words or way_out}", way_out if words else ""
        )
    for doubt in findings.doubts:
        yield note("settings", str(doubt))
    if not findings.problems:
        places = dict.fromkeys(findings.origins.values())
        yield ok(
            "settings", f"{len(findings.texts)} are set ({', '.join(places) or 'all defaults'})"
        )


def _survey(settings: Settings, listings: Sequence[Listing]) -> Survey | Verdict:
    """The engine, and the first of the models if it writes and is here."""
    options = None
    file = model.file_of(settings, listings[0]) if listings else None
    if file is not None and not listings[0].embeddings:
        asked = local_options(settings, listings[0], resident=True).model
        assert isinstance(asked, ModelOptions)
        options = replace(asked, path=str(file))
    try:
        return surveying.look(SurveyRequest(model=options))
    except SurveyFailed as error:
        return engine.broken(str(error))
