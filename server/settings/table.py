"""The settings as text: the table of the README, `.env.example`, and what is in force.

Where values come from and what is wrong with them is found elsewhere; a key is never shown.
"""

from collections.abc import Iterator

from pydantic.fields import FieldInfo

from server.auth.keys import KeyTable
from server.settings.checks import example, secret
from server.settings.load import Findings
from server.settings.machine import granted_cpus
from server.settings.model_file import bundled_model
from server.settings.settings import Settings
from server.settings.values import GPU_LAYERS

UNSET = "unset"
MASK = "********"


def markdown() -> str:
    """The settings as a Markdown table."""
    rows = [
        f"| `{name.upper()}` | {_cell(_default(info))} | {info.description} |"
        for name, info in Settings.model_fields.items()
    ]
    return "\n".join(("| Variable | Default | Meaning |", "|---|---|---|", *rows)) + "\n"


def env_file() -> str:
    """An example of a file of settings in which everything is commented out."""
    head = (
        "# Settings of gpt-api. Copy this file to .env and remove the # where you change a value."
    )
    blocks = [
        f"\n# {info.description}\n#{name.upper()}={_quoted(_written(info))}"
        for name, info in Settings.model_fields.items()
    ]
    return "\n".join((head, *blocks)) + "\n"


def report(findings: Findings) -> str:
    """What is in force, where it came from, and a mark where the text there is wrong."""
    bad = {problem.variable for problem in findings.problems}
    rows = list(_rows(findings, bad))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    lines = [f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}" for name, value, origin in rows]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def shown(value: object, name: str = "") -> str:
    """A value that is in force, in the form in which it could be set."""
    if isinstance(value, KeyTable):
        return f"{value} ({', '.join(value.users())})" if len(value) else UNSET
    if name == "n_gpu_layers":
        return next((word for word, count in GPU_LAYERS.items() if count == value), str(value))
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return UNSET if value is None or value == "" else str(value)


def _rows(findings: Findings, bad: set[str]) -> Iterator[tuple[str, str, str]]:
    for name, info in Settings.model_fields.items():
        origin = findings.origins.get(name, "default")
        value = _in_force(findings.settings, name)
        if name.upper() in bad:
            origin += ", WRONG"
            if name in findings.texts:
                value = MASK if secret(info) else findings.texts[name]
        yield name.upper(), value, origin


def _in_force(settings: Settings, name: str) -> str:
    """A setting's value, or for an unset one what it comes to, where that is known here."""
    value = getattr(settings, name)
    if value is None and name == "model_path" and (model := bundled_model()):
        return f"{model} (demonstration)"
    if value is None and name == "models_dir":
        return str(settings.download_folder)
    if value is None and name == "n_threads":
        return f"{granted_cpus()} (granted)"
    if value is None and name == "default_model":
        return settings.model_name
    return shown(value, name)


def _default(info: FieldInfo) -> str:
    if info.default == GPU_LAYERS["auto"]:
        return "auto"
    return shown(info.default)


def _written(info: FieldInfo) -> str:
    return example(info) if _default(info) == UNSET else _default(info)


def _cell(text: str) -> str:
    return text if text == UNSET else f"`{text}`"


def _quoted(text: str) -> str:
    return f"'{text}'" if any(character in text for character in ' "{') else text
