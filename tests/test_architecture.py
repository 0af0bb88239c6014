"""The drawing of the house, enforced: who may import whom and use what, and how large things grow.

The tables below are the drawing; the checks read the syntax trees of everything under server/.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

SERVER = Path(__file__).resolve().parent.parent / "server"

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
MAX_PARAMETERS = 6
MAX_MODULE_DOCSTRING_LINES = 5


@dataclass(frozen=True)
class Part:
    """What a part may import of ours (its own modules always) and of other people's."""

    ours: frozenset[str]
    packages: frozenset[str]


def _part(ours: str = "", packages: str = "") -> Part:
    return Part(frozenset(ours.split()), frozenset(packages.split()))


# A part is a folder of server/, or a module in it. Of nested names the longest one counts:
# `worker.runtime` is a part of its own, and `worker.messages` can be allowed without the rest.
PARTS = {
    "core": _part(),
    "formats": _part("core", "llguidance tiktoken jinja2 regex"),
    "worker": _part("core", "msgspec"),
    "worker.main": _part("core worker worker.runtime", "msgspec"),
    "worker.__main__": _part("worker.main"),
    "worker.runtime": _part("core worker", "llama_cpp llguidance numpy"),
    "engines": _part(
        "core formats worker.messages worker.embedding.messages worker.wire", "msgspec httpx2"
    ),
    "dialects": _part("core", "pydantic pydantic_core msgspec"),
    "auth": _part("core"),
    "registry": _part("core"),
    "model_files.head": _part(),
    "hub": _part("core", "huggingface_hub httpx2 msgspec"),
    "library": _part("core registry hub", "msgspec"),
    "response_store": _part(),
    "api": _part(
        "core dialects auth registry library hub.progress response_store logs",
        "fastapi starlette sse_starlette pydantic",
    ),
    "logs": _part(),
    # What a client sees, by a client: nothing of the server may help it.
    "check_client": _part("verdicts", "httpx2"),
    "check_client.__main__": _part("cli_checks"),
    "verdicts": _part(),
    "machine": _part(),
}
# Everything else stands on top: it puts the parts together and may import all of them.
TOP = frozenset(
    {
        "__main__",
        "application",
        "assemble",
        "benchmark",
        "cli",
        "cli_checks",
        "doctor",
        "interface_doc",
        "interface_types",
        "main",
        "model_files",
        "pull",
        "running",
        "service",
        "service.notify",
        "settings",
        "settings.load",
        "settings.upstream_source",
        "supply",
        "surveying",
    }
)
TOP_PACKAGES = frozenset(
    {
        "annotated_types",
        "fastapi",
        "httpx2",
        "msgspec",
        "pydantic",
        "pydantic_core",
        "pydantic_settings",
        "uvicorn",
        "yaml",
    }
)

# Standard modules that only some parts use, or none.
RESERVED = {
    "ctypes": {"worker.runtime"},
    "multiprocessing": set(),
    "sqlite3": {"auth"},
    "hmac": {"auth"},
    "argparse": {"cli", "cli_checks", "worker.main"},
}
# Who may look at the environment: the settings, also for keys that a list names by their variable;
# the log and notify, for what systemd says; the engines, to hand it on to the processes that they
# start.
ENVIRONMENT_READERS = {
    "settings.load",
    "settings.upstream_source",
    "logs",
    "service.notify",
    "engines",
}
PRINTERS = {"cli", "cli_checks"}


def module_name(path: PurePosixPath) -> str:
    """`api/errors.py` -> `api.errors`; a package's `__init__.py` is the package."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The longest name in the tables that `module` is, or lies in."""
    names = module.split(".")
    prefixes = [".".join(names[:length]) for length in range(len(names), 0, -1)]
    return next((each for each in prefixes if each in PARTS or each in TOP), names[0])


def imported(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[str, int]]:
    """Every name that a module imports, in full, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = ["server", *module.split(".")]
                climb = node.level - 1 if is_package else node.level
                anchor = package[: len(package) - climb]
                base = ".".join([*anchor, *([base] if base else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def direction_faults(tree: ast.Module, path: PurePosixPath) -> Iterator[str]:
    module = module_name(path)
    part = part_of(module)
    if module and part not in PARTS and part not in TOP:
        yield f"{path}: {part} is in no table of this test; say where it stands"
        return
    for name, line in imported(tree, module, path.name == "__init__.py"):
        root, _, inner = name.partition(".")
        if root == "server":
            fault = _fault_of_ours(part, inner)
        elif root in sys.stdlib_module_names:
            readers = RESERVED.get(root)
            fault = readers is not None and part not in readers
        else:
            allowed = PARTS[part].packages if part in PARTS else TOP_PACKAGES
            fault = root not in allowed and not (root == "typing_extensions" and part != "core")
        if fault:
            yield f"{path}:{line}: {part or 'server'} may not import {name}"


def _fault_of_ours(part: str, inner: str) -> bool:
    if part not in PARTS or inner in ("", "__version__"):
        return False
    target = part_of(inner)
    if target == part or target in PARTS[part].ours:
        return False
    # One module of a part may be allowed by its own name, and so may a name inside it.
    return not any(
        inner == each or inner.startswith(f"{each}.") for each in PARTS[part].ours if "." in each
    )


def habit_faults(tree: ast.Module, path: PurePosixPath) -> Iterator[str]:
    part = part_of(module_name(path))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "print" and part not in PRINTERS:
                yield f"{path}:{node.lineno}: only the command line prints"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            reads = (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv")}
            if reads and part not in ENVIRONMENT_READERS:
                yield f"{path}:{node.lineno}: only the settings read the environment"


def size_faults(tree: ast.Module, path: PurePosixPath, source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > MAX_FILE_LINES:
        yield f"{path}: {lines} lines, more than {MAX_FILE_LINES}"
    docstring = ast.get_docstring(tree)
    if not docstring:
        yield f"{path}: no module docstring"
    elif len(docstring.splitlines()) > MAX_MODULE_DOCSTRING_LINES:
        yield f"{path}: a module docstring of more than {MAX_MODULE_DOCSTRING_LINES} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function_faults(node, path)


def _function_faults(
    function: ast.FunctionDef | ast.AsyncFunctionDef, path: PurePosixPath
) -> Iterator[str]:
    where = f"{path}:{function.lineno}: {function.name}"
    body = function.body[1:] if ast.get_docstring(function) else function.body
    lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
    if lines > MAX_FUNCTION_LINES:
        yield f"{where} has a body of {lines} lines, more than {MAX_FUNCTION_LINES}"
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    count = len([name for name in names if name not in ("self", "cls")])
    if count > MAX_PARAMETERS:
        yield f"{where} has {count} parameters, more than {MAX_PARAMETERS}"


def faults(path: PurePosixPath, source: str) -> list[str]:
    """Everything that is wrong with one file; `path` is relative to server/."""
    tree = ast.parse(source)
    return [
        *direction_faults(tree, path),
        *habit_faults(tree, path),
        *size_faults(tree, path, source),
    ]


def test_house_stands_as_drawn():
    found = []
    for file in sorted(SERVER.rglob("*.py")):
        path = PurePosixPath(file.relative_to(SERVER).as_posix())
        found += faults(path, file.read_text(encoding="utf-8"))
    assert not found, "\n" + "\n".join(found)


def test_tables_name_only_what_exists():
    for name in (*PARTS, *TOP):
        place = SERVER.joinpath(*name.split("."))
        assert place.is_dir() or place.with_suffix(".py").is_file(), name


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("core/request.py", "import msgspec"),
        ("core/request.py", "from server.formats.base import Prompt"),
        ("core/request.py", "from ..formats.base import Prompt"),
        ("core/request.py", "import typing_extensions"),
        ("formats/text.py", "from server.worker.messages import Token"),
        ("formats/text.py", "import server.api"),
        ("worker/loop.py", "import llama_cpp"),
        ("worker/loop.py", "import ctypes"),
        ("worker/loop.py", "from server.formats import base"),
        ("worker/loop.py", "from server.worker.runtime.model import Model"),
        ("worker/runtime/model.py", "import fastapi"),
        ("engines/local.py", "from server.worker.loop import Loop"),
        ("engines/local.py", "from server.worker import loop"),
        ("engines/local.py", "import server.worker.runtime.model"),
        ("dialects/openai_chat.py", "from fastapi import Request"),
        ("dialects/openai_chat.py", "from server.registry.registry import Registry"),
        ("auth/keys.py", "from starlette.datastructures import Headers"),
        ("auth/keys.py", "from server.settings.settings import Settings"),
        ("registry/registry.py", "from server.engines.local import LocalEngine"),
        ("registry/registry.py", "import sqlite3"),
        ("api/chat.py", "from server.engines.local import LocalEngine"),
        ("api/chat.py", "def chat():\n    from server import assemble"),
        ("api/chat.py", "from server.settings.settings import Settings"),
        ("settings/settings.py", "import requests"),
        ("check_client/chats.py", "from server.dialects import openai_chat"),
        ("check_client/chats.py", "from server.settings.settings import Settings"),
        ("attic.py", "import json"),
        ("attic/box.py", "import json"),
    ],
)
def test_wrong_direction_is_seen(path: str, line: str):
    assert direction_faults_of(path, line)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("core/events.py", "from server.core.messages import ToolCall"),
        ("core/events.py", "from . import messages"),
        ("formats/harmony.py", "import tiktoken"),
        ("formats/harmony.py", "from server.core import errors"),
        ("worker/runtime/model.py", "import ctypes, llama_cpp"),
        ("worker/runtime/model.py", "from server.worker.messages import Loaded"),
        ("engines/local.py", "from server.worker.messages import Loaded"),
        ("engines/local.py", "from server.worker import messages"),
        ("api/chat.py", "from server.auth.keys import Principal"),
        ("api/chat.py", "from typing_extensions import assert_never"),
        ("cli.py", "from server.settings import table"),
        ("assemble.py", "from server.engines.local import LocalEngine"),
        ("__init__.py", "import json"),
    ],
)
def test_right_direction_passes(path: str, line: str):
    assert not direction_faults_of(path, line)


def direction_faults_of(path: str, source: str) -> list[str]:
    return list(direction_faults(ast.parse(source), PurePosixPath(path)))


LONG = "\n".join(f"    x = {number}" for number in range(MAX_FUNCTION_LINES + 1))


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('"""D."""\nprint(1)', "only the command line prints"),
        ('"""D."""\nimport os\nos.environ["A"]', "only the settings read"),
        ('"""D."""\nimport os\nos.getenv("A")', "only the settings read"),
        ("x = 1", "no module docstring"),
        ('"""' + "A\n" * 6 + '"""', "docstring of more than"),
        ('"""D."""\n' + "x = 1\n" * MAX_FILE_LINES, "lines, more than"),
        (f'"""D."""\ndef f():\n{LONG}', "has a body of 41 lines"),
        (f'"""D."""\nasync def f():\n    """Doc."""\n{LONG}', "has a body of 41 lines"),
        ('"""D."""\ndef f(a, b, c, /, d, e, *, f, g): ...', "has 7 parameters"),
    ],
)
def test_bad_habit_and_size_are_seen(source: str, fault: str):
    found = faults(PurePosixPath("api/chat.py"), source)
    assert len(found) == 1
    assert fault in found[0]


def test_limits_themselves_are_allowed():
    body = "\n".join(f"        x = {number}" for number in range(MAX_FUNCTION_LINES))
    source = f'"""D."""\nclass A:\n    def f(self, a, b, c, d, e, f):\n        """Doc."""\n{body}\n'
    assert not faults(PurePosixPath("api/chat.py"), source)
