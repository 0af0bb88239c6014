"""The commands that look and measure, `gpt-api check-client`, `doctor` and `bench`: their flags,
and what they print. How they find it out is not known here.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

OK, FAILED, BAD_SETTINGS, INTERRUPTED = 0, 1, 78, 130
Parser: TypeAlias = argparse.ArgumentParser


def check_client_alone() -> int:
    """`python -m server.check_client`: the same without the rest of the command line, for machines
    that have httpx2 and nothing else of what the server needs.
    """
    parser = Parser(prog="check_client", description="Ask a server what a bot asks it.")
    add_check_client(parser)
    return run("check-client", vars(parser.parse_args()))


def add_check_client(parser: Parser) -> None:
    parser.add_argument(
        "--base-url", metavar="URL", required=True, help="as it stands in the bot's settings"
    )
    parser.add_argument(
        "--key",
        metavar="KEY",
        default="",
        help="as it stands there; -: read it from standard input, where no other user sees it",
    )
    parser.add_argument("--model", metavar="NAME", default="", help="without it: the default one")
    _add_timeout(parser)
    _add_json(parser)


def add_doctor(parser: Parser) -> None:
    parser.add_argument(
        "--verify", action="store_true", help="read the whole model, to compare its checksum"
    )
    _add_json(parser)


def add_bench(parser: Parser) -> None:
    parser.add_argument(
        "--base-url",
        metavar="URL",
        default="",
        help="a server to measure; without it: the one that runs here, or else the configured"
        " model, which is loaded for it",
    )
    parser.add_argument(
        "--key", metavar="KEY", default="", help="of that server; -: standard input"
    )
    parser.add_argument(
        "--seconds", metavar="N", type=float, default=60.0, help="about how long to measure (60)"
    )
    _add_json(parser)


def run(command: str, options: dict[str, Any]) -> int:
    """Run one of them; returns its exit code."""
    try:
        return COMMANDS[command](options)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return INTERRUPTED


def _check_client(options: dict[str, Any]) -> int:
    from server.check_client import checkup
    from server.verdicts import good

    check = checkup.Checkup(
        checkup.Wanted(
            base_url=options["base_url"],
            key=_key(options["key"]),
            model=options["model"],
            patience_s=options["timeout"],
        )
    )
    verdicts = []
    for verdict in check.verdicts():
        verdicts.append(verdict)
        if not options["json"]:
            print(verdict, flush=True)
    if options["json"]:
        print(checkup.json_of(verdicts, check.fields), end="")
    elif check.fields is not None:
        print(f"\n{checkup.text_of(check.fields)}", end="")
    return OK if good(verdicts) else FAILED


def _doctor(options: dict[str, Any]) -> int:
    from server.doctor.examination import examine
    from server.verdicts import good

    as_json, verify = options.pop("json"), options.pop("verify")
    verdicts = []
    for verdict in examine(options, verify=verify):
        verdicts.append(verdict)
        if not as_json:
            print(verdict, flush=True)
    if as_json:
        checks = [each.as_object() for each in verdicts]
        print(json.dumps({"ok": good(verdicts), "checks": checks}, ensure_ascii=False, indent=2))
    return OK if good(verdicts) else FAILED


def _bench(options: dict[str, Any]) -> int:
    import asyncio

    from server.benchmark import facts
    from server.benchmark.run import Wanted
    from server.benchmark.run import run as measure
    from server.settings.load import SettingsError
    from server.verdicts import Failure

    as_json = options.pop("json")
    base_url, key = options.pop("base_url"), _key(options.pop("key"))
    wanted = Wanted(base_url=base_url, key=key, seconds=options.pop("seconds"), flags=options)
    try:
        found = asyncio.run(measure(wanted, _say))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return BAD_SETTINGS
    except Failure as failure:
        print(failure, file=sys.stderr)
        return FAILED
    as_text = json.dumps(facts.object_of(found), ensure_ascii=False, indent=2) + "\n"
    print(as_text if as_json else f"\n{facts.text_of(found)}", end="")
    return OK


def _say(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def _add_json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")


def _add_timeout(parser: Parser) -> None:
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=300.0,
        help="how long an answer may take (300)",
    )


def _key(text: str) -> str:
    return sys.stdin.readline().rstrip("\r\n") if text == "-" else text


COMMANDS: Mapping[str, Callable[[dict[str, Any]], int]] = MappingProxyType(
    {"check-client": _check_client, "doctor": _doctor, "bench": _bench}
)
