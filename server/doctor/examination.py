"""Everything that is looked at, in order: settings, machine, engine, model, memory, disk, access.

What is good and what is not is decided in the modules beside this one.
"""

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from server import running, surveying
from server.doctor import access, engine, model, rights, room
from server.hub.folder import Folder
from server.hub.reference import Reference
from server.machine import Machine
from server.settings import Settings
from server.settings_load import Findings, find
from server.settings_slices import model_options
from server.surveying import SurveyFailed
from server.verdicts import Verdict, failed, note, ok
from server.worker.survey import Survey, SurveyRequest

OLDEST_PYTHON = (3, 10)
KEY_SETTINGS = frozenset({"API_KEYS", "API_KEYS_FILE", "GPT_API_ENV_FILE"})


def examine(flags: Mapping[str, str], *, verify: bool) -> Iterator[Verdict]:
    """`flags`: settings by field, as of `serve`. `verify`: read the whole model file, to compare
    its checksum.
    """
    findings = find(flags)
    settings = findings.settings
    yield python()
    unit = running.unit()
    if unit is not None and os.geteuid() != 0:
        words = "there is a service here, whose settings and files this user may not see"
        yield note("doctor", words, "sudo gpt-api doctor")
    yield from of_settings(findings)
    machine = Machine.look()
    yield engine.processor(machine)
    # Of what was written wrongly nothing is known, and the default would be something else.
    bad = {problem.variable for problem in findings.problems}
    file = None if "MODEL_PATH" in bad else _model_file(settings)
    found = _survey(settings, file)
    if isinstance(found, Verdict):
        yield found
    else:
        yield engine.build(found, machine)
        yield engine.cards(settings, found, machine)
    if "MODEL_PATH" not in bad:
        yield model.whole(settings, file, verify=verify)
    survey = found if isinstance(found, Survey) else None
    listener = running.listener(settings)
    yield from _room(settings, survey, machine, runs=listener is not None and listener.ours)
    yield from room.disk(settings, here=file is not None)
    if not bad & KEY_SETTINGS:
        yield from access.keys(settings)
    account = rights.account(running.SERVICE) if unit and os.geteuid() == 0 else None
    if account is not None:
        yield from rights.readable(account, rights.paths(settings, file))
    yield access.port(settings, listener)
    if unit is not None:
        yield access.service(unit)


def _room(
    settings: Settings, survey: Survey | None, machine: Machine, *, runs: bool
) -> Iterator[Verdict]:
    if survey is not None:
        yield from room.memory(survey, machine, settings.model_path, runs=runs)
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


def _model_file(settings: Settings) -> Path | None:
    """The file that would be loaded, if it is here."""
    try:
        if isinstance(settings.model_path, Reference):
            return Folder(settings.download_folder).find(settings.model_path)
        return settings.model_file
    except (FileNotFoundError, PermissionError):
        return None


def _survey(settings: Settings, file: Path | None) -> Survey | Verdict:
    chosen = settings.model_copy(update={"model_path": file}) if file else settings
    try:
        return surveying.look(SurveyRequest(model=model_options(chosen) if file else None))
    except SurveyFailed as error:
        return engine.broken(str(error))
