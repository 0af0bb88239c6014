"""All checks in their order, each where the ones before it allow, and what to copy at the end.

Prints nothing; the key leaves it masked.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from server.check_client import chats, reaching, service
from server.check_client.address import Address, read_address
from server.check_client.asking import Server
from server.check_client.chats import Talk
from server.check_client.key_field import hidden, mask, read_key
from server.check_client.service import Service
from server.verdicts import Failure, Verdict, good, note, ok

FALLBACK_MODEL = "gpt-oss-20b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be checked, as it stands in a bot's fields. Without `model`: the server's default.
    `patience_s`: how long an answer may take.
    """

    base_url: str
    key: str = ""
    model: str = ""
    patience_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What belongs into a bot's fields; the key as it is shown."""

    key: str
    model: str
    base_url: str


@dataclass(slots=True)
class Checkup:
    """One run. `verdicts` yields what was found as it is found; `fields` are there when all of it
    was good.
    """

    wanted: Wanted
    fields: Fields | None = None

    def verdicts(self) -> Iterator[Verdict]:
        try:
            key = ""
            key, remarks = _key(self.wanted.key)
            yield from remarks
            for each in self._checks(key):
                yield _masked(each, key)
        except Failure as failure:
            yield _masked(failure.verdict, key)

    def _checks(self, key: str) -> Iterator[Verdict]:
        address = _address(self.wanted.base_url)
        yield _about(address)
        yield from reaching.reach(address)
        with Server(address, key, self.wanted.patience_s) as server:
            found = Service(ours=False)
            for each in service.look(server):
                if isinstance(each, Service):
                    found = each
                else:
                    yield each
            yield from service.check_key(server)
            model = self.wanted.model.strip() or found.default_model or FALLBACK_MODEL
            yield service.check_model(server, model)
            yield from _talk(server, model)
            self.fields = Fields(key=mask(key), model=model, base_url=address.base_url)


def _talk(server: Server, model: str) -> Iterator[Verdict]:
    first = None
    for each in chats.plain(server, model):
        if isinstance(each, Talk):
            first = each
        else:
            yield each
    yield chats.streamed(server, model)
    assert first is not None
    yield chats.two_turns(server, model, first)


def text_of(fields: Fields) -> str:
    """The fields as a bot's settings name them."""
    return (
        "The three fields of the bot:\n"
        f"  API Key     {fields.key}\n"
        f"  Model Name  {fields.model}\n"
        f"  Base URL    {fields.base_url}\n"
    )


def json_of(verdicts: Sequence[Verdict], fields: Fields | None) -> str:
    """For programs: one object."""
    shown = None
    if fields is not None:
        shown = {"api_key": fields.key, "model_name": fields.model, "base_url": fields.base_url}
    checks = [each.as_object() for each in verdicts]
    found = {"ok": good(verdicts), "checks": checks, "fields": shown}
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def _key(text: str) -> tuple[str, list[Verdict]]:
    try:
        key, remarks = read_key(text)
    except ValueError as error:
        words, _, way_out = str(error).partition("; ")
        raise Failure("key", words, way_out) from None
    way_out = "leave that out in the bot's field"
    return key, [note("key", f"there were {each}", way_out) for each in remarks]


def _address(text: str) -> Address:
    try:
        return read_address(text)
    except ValueError as error:
        words, _, way_out = str(error).partition("; ")
        raise Failure("base URL", words, way_out) from None


def _about(address: Address) -> Verdict:
    if not address.remarks:
        return ok("base URL", address.base_url)
    return note("base URL", "; ".join(address.remarks), f"write {address.base_url}")


def _masked(verdict: Verdict, key: str) -> Verdict:
    words, way_out = hidden(verdict.words, key), hidden(verdict.way_out, key)
    return replace(verdict, words=words, way_out=way_out)
