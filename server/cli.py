"""The command line: `gpt-api serve`, `pull`, `check-config`, `describe-api`, and those of
cli_checks.py. Nothing else prints.

Every setting that is no secret is a flag; what settings mean is not known here. Everything heavy
is imported where it is used: a worker process imports this module too and needs none of it.
"""

import argparse
import shutil
import sys
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from server import __version__, cli_checks

OK, FAILED, USAGE, BAD_SETTINGS = 0, 1, 2, 78


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and leave with its exit code."""
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    match options.pop("command"):
        case "serve":
            sys.exit(_serve(options))
        case "pull":
            sys.exit(_pull(options))
        case "check-config":
            sys.exit(_check_config(options))
        case "describe-api":
            sys.exit(_describe_api())
        case str(other):
            sys.exit(cli_checks.run(other, options))
        case _:
            parser.print_help()
            sys.exit(USAGE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpt-api",
        description="An OpenAI-compatible server for gpt-oss on one's own machine.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"gpt-api {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser("serve", help="start the server", allow_abbrev=False)
    _add_settings(serve)
    _add_pull(commands.add_parser("pull", help="download a model", allow_abbrev=False))
    check = commands.add_parser(
        "check-config", help="show the settings and what is wrong with them", allow_abbrev=False
    )
    output = check.add_mutually_exclusive_group()
    output.add_argument(
        "--markdown", action="store_true", help="print the table of all settings instead"
    )
    output.add_argument(
        "--example", action="store_true", help="print an example of a .env file instead"
    )
    _add_settings(check)
    commands.add_parser("describe-api", help="print every endpoint and field (docs/api.md)")
    _add_checks(commands)
    return parser


def _add_checks(commands: Any) -> None:
    client = commands.add_parser(
        "check-client", help="ask a server what a bot asks it", allow_abbrev=False
    )
    cli_checks.add_check_client(client)
    doctor = commands.add_parser(
        "doctor", help="look at this machine and at the settings", allow_abbrev=False
    )
    cli_checks.add_doctor(doctor)
    _add_settings(doctor)
    bench = commands.add_parser(
        "bench", help="measure how fast it answers, and what limits it", allow_abbrev=False
    )
    cli_checks.add_bench(bench)
    _add_settings(bench, but=("base_url",))


def _add_pull(parser: argparse.ArgumentParser) -> None:
    from server.hub.reference import CATALOGUE, DEFAULT_NAME

    parser.add_argument(
        "model",
        metavar="MODEL",
        nargs="?",
        default=DEFAULT_NAME,
        help=f"{', '.join(CATALOGUE)}, hf.co/OWNER/REPO or hf.co/OWNER/REPO:FILE;"
        f" without it: {DEFAULT_NAME}",
    )
    parser.add_argument("--to", metavar="DIR", help="the folder to put it in; else MODELS_DIR")
    parser.add_argument(
        "--force", action="store_true", help="download it again, and replace what is there"
    )


def _add_settings(parser: argparse.ArgumentParser, but: Collection[str] = ()) -> None:
    """A flag for every setting; a secret has none, since every user of a machine sees flags. `but`
    are those whose names mean something else here.
    """
    from server.settings.checks import secret
    from server.settings.settings import Settings

    group = parser.add_argument_group("settings (they win over the environment and .env)")
    for name, info in Settings.model_fields.items():
        if secret(info) or name in but:
            continue
        names = [f"--{name.replace('_', '-')}"] + ["--model"] * (name == "model_path")
        switch: dict[str, Any] = {"nargs": "?", "const": "1"} if info.annotation is bool else {}
        group.add_argument(
            *names,
            dest=name,
            metavar="VALUE",
            default=argparse.SUPPRESS,
            help=(info.description or "").replace("%", "%%"),
            **switch,
        )


def _check_config(options: dict[str, str]) -> int:
    from server.settings import models_table
    from server.settings import table as settings_table
    from server.settings.load import find

    if options.pop("markdown"):
        print(settings_table.markdown(), end="")
        return OK
    if options.pop("example"):
        print(settings_table.env_file(), end="")
        return OK
    findings = find(options)
    print(settings_table.report(findings), end="", flush=True)
    for doubt in findings.doubts:
        print(doubt, file=sys.stderr)
    for problem in findings.problems:
        print(problem, file=sys.stderr)
    if not findings.problems:
        print(f"\n{models_table.models_report(findings.settings)}", end="")
    return FAILED if findings.problems else OK


def _describe_api() -> int:
    from server import interface_doc
    from server.application import create_app
    from server.settings.settings import Settings

    print(interface_doc.markdown(create_app(Settings())), end="")
    return OK


def _pull(options: dict[str, Any]) -> int:
    from server import pull
    from server.hub.client import Hub
    from server.hub.reference import read_reference
    from server.settings.load import find

    try:
        reference = read_reference(options["model"])
    except ValueError as error:
        print(error, file=sys.stderr)
        return USAGE
    findings = find({"models_dir": options["to"]} if options["to"] else {})
    # That the model is not there yet, say, or a key is wrong, is no reason not to download.
    if wrong := [each for each in findings.problems if each.variable in pull.SETTINGS]:
        print(*wrong, sep="\n", file=sys.stderr)
        return BAD_SETTINGS
    settings = findings.settings
    columns = shutil.get_terminal_size().columns if sys.stderr.isatty() else 0
    screen = pull.Screen(write=_say, columns=columns)
    hub = Hub(settings.hf_endpoint, settings.hub_token)
    return pull.run(hub, settings.download_folder, reference, screen, force=options["force"])


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _serve(flags: dict[str, str]) -> int:
    from server.settings.load import SettingsError, load

    try:
        settings = load(flags)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return BAD_SETTINGS

    from server.service import service

    try:
        return service.run(settings, announce=lambda text: print(text, flush=True))
    except service.CannotListen as error:
        print(error, file=sys.stderr)
        return FAILED
