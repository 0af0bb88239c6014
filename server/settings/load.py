"""Where settings come from: flags, then the environment, then files; and what is wrong with them.

GPT_API_ENV_FILE names a file of settings; `.env` in the working directory is one too.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from server.settings.checks import Problem, contradictions, misread
from server.settings.model_file import DOWNLOADS
from server.settings.settings import Settings

ENV_FILE_VARIABLE = "GPT_API_ENV_FILE"


class SettingsError(Exception):
    """What is wrong, one sentence a line, each beginning with the variable's name."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything that was found: raw texts by field with where they stood, the settings they make
    (defaults in the place of what is wrong), what is wrong, and what may be a slip of the pen.
    """

    texts: Mapping[str, str]
    origins: Mapping[str, str]
    settings: Settings
    problems: tuple[Problem, ...]
    doubts: tuple[Problem, ...]


@dataclass(slots=True)
class _Sources:
    """Raw texts by field; the first source that names a field wins."""

    texts: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    doubts: list[Problem] = field(default_factory=list)

    def add(self, values: Mapping[str, str], origin: str) -> None:
        for name, text in values.items():
            if name in Settings.model_fields and name not in self.texts:
                self.texts[name], self.origins[name] = text, origin

    def add_file(self, path: Path) -> None:
        try:
            path.open().close()
            source = DotEnvSettingsSource(Settings, env_file=path, env_file_encoding="utf-8")
        except OSError as error:
            self._refuse(path, f"cannot be read ({error.strerror})")
        except UnicodeDecodeError:
            self._refuse(path, "is not UTF-8 text")
        else:
            self.add(source(), str(path))
            self._doubt(path, source.env_vars)

    def _doubt(self, path: Path, names: Iterable[str]) -> None:
        """A file may serve others too: only an unknown name that resembles ours is odd."""
        for name in names:
            if name not in Settings.model_fields and (
                meant := get_close_matches(name, Settings.model_fields, n=1, cutoff=0.85)
            ):
                sentence = f"stands in {path}, but is no setting; did you mean {meant[0].upper()}?"
                self.doubts.append(Problem(name.upper(), sentence))

    def _refuse(self, path: Path, why: str) -> None:
        self.problems.append(
            Problem(ENV_FILE_VARIABLE, f"the file of settings {path} {why}; correct or remove it")
        )


def load(flags: Mapping[str, str] | None = None) -> Settings:
    """The settings in force; `flags` are texts by field name. Errors: SettingsError."""
    findings = find(flags)
    if findings.problems:
        raise SettingsError(findings.problems)
    return findings.settings


def find(flags: Mapping[str, str] | None = None) -> Findings:
    """What `load` looks at, without failing over it."""
    sources = _sources(flags or {})
    settings, wrong = _check({**_surroundings(), **sources.texts})
    bad = {problem.variable for problem in wrong}
    problems = (*sources.problems, *wrong, *contradictions(settings, bad))
    return Findings(
        texts=sources.texts,
        origins=sources.origins,
        settings=settings,
        problems=problems,
        doubts=tuple(sources.doubts),
    )


def _sources(flags: Mapping[str, str]) -> _Sources:
    sources = _Sources()
    sources.add(flags, "command line")
    sources.add(EnvSettingsSource(Settings)(), "environment")
    for path in _env_files():
        sources.add_file(path)
    return sources


def _surroundings() -> dict[str, str]:
    """Defaults that the environment decides: where a service keeps its state, as systemd tells, or
    else where a user's programs keep what they can do without, and what they cannot.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    folders = {"prefix_cache_dir": Path(cache, "gpt-api", "prefixes")}
    if state := os.environ.get("STATE_DIRECTORY", "").split(":")[0]:
        folders = {"prefix_cache_dir": Path(state, "prefixes"), "models_dir": Path(state, "models")}
    elif not DOWNLOADS.is_dir():
        folders["models_dir"] = Path(data, "gpt-api", "models")
    return {name: str(folder) for name, folder in folders.items() if folder.is_absolute()}


def _env_files() -> Iterator[Path]:
    if named := os.environ.get(ENV_FILE_VARIABLE):
        yield Path(named).expanduser()
    # A working directory that this user may not enter has none for us.
    if os.path.isfile(".env"):
        yield Path(".env").absolute()


def _check(texts: Mapping[str, str]) -> tuple[Settings, list[Problem]]:
    """The settings, with the default for every text that is wrong, and what is wrong with it."""
    try:
        return Settings(**dict[str, Any](texts)), []
    except ValidationError as error:
        wrong = {str(each["loc"][0]): list(misread(each, texts)) for each in error.errors()}
        good: dict[str, Any] = {n: text for n, text in texts.items() if n not in wrong}
        return Settings(**good), [problem for problems in wrong.values() for problem in problems]
