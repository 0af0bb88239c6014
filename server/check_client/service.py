"""Whether it is gpt-api that answers and whether it can, who may ask it, and for which model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from server.check_client.asking import Reply, Server
from server.check_client.key_field import mask
from server.check_client.refusals import error_code, refusal, words_of
from server.verdicts import Failure, Verdict, note, ok

OURS = "gpt-api"
SHOWN_NAMES = 12
_MODELS = "/v1/models"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What it said of itself. `ours`: it is gpt-api."""

    ours: bool
    default_model: str = ""


def look(server: Server) -> Iterator[Verdict | Service]:
    """What is at the address; the last thing is the Service. Errors: Failure."""
    reply = server.get("service", "/health", with_key=False)
    if 300 <= reply.status < 400:
        raise _moved(reply)
    if not (reply.has_json and "default_model" in reply.body):
        yield from _stranger(server, reply)
        return
    state = str(reply.body.get("status", ""))
    if reply.status != 200:
        raise _unable(reply, state)
    root = server.get("service", "/", with_key=False)
    version = root.body.get("version", "") if root.has_json else ""
    yield ok("service", f"{OURS} {version}".strip() + f", and its model can answer ({state})")
    if any(each.get("demonstration") for each in _states(reply.body)):
        yield note(
            "service",
            "it answers with the demonstration model, which knows nothing",
            "set MODEL_PATH=gpt-oss-20b on the server",
        )
    yield Service(ours=True, default_model=str(reply.body["default_model"]))


def check_key(server: Server) -> Iterator[Verdict]:
    """Errors: Failure."""
    anonymous = server.get("key", _MODELS, with_key=False)
    if anonymous.status == 200:
        yield note("key", "the server is open: it asks for no key, whatever the field holds")
        return
    if not server.key and anonymous.status == 401:
        raise Failure("key", "the server wants a key, and none was given", "give it with --key")
    reply = server.get("key", _MODELS)
    # A key may be good and not allowed to list models: the chat will show.
    if reply.status not in (200, 403):
        raise refusal("key", reply.status, reply.body, reply.retry_after)
    yield ok("key", f"{mask(server.key)} is accepted")


def check_model(server: Server, model: str) -> Verdict:
    """Errors: Failure."""
    listing = server.get("model", _MODELS)
    names = _names(listing.body)
    reply = server.get("model", f"{_MODELS}/{quote(model, safe='')}")
    if reply.status == 200 or model in names:
        return ok("model", f"{model} is known")
    if error_code(reply.body) == "model_not_found" or (names and reply.status == 404):
        known = ", ".join(names[:SHOWN_NAMES]) or "none that it tells"
        raise Failure(
            "model",
            f"the server does not know {model}",
            f"write one of these as Model Name: {known}",
        )
    return note("model", f"the server does not tell its models (status {listing.status})")


def _stranger(server: Server, reply: Reply) -> Iterator[Verdict | Service]:
    """It is not gpt-api; something that speaks OpenAI's words is good enough to go on with."""
    listing = server.get("service", _MODELS)
    speaks = listing.has_json and ("data" in listing.body or "error" in listing.body)
    if not speaks or listing.status == 404:
        who = _who(reply) or _who(listing)
        if reply.status in (502, 503, 504):
            raise refusal("service", reply.status, reply.body, reply.retry_after)
        raise Failure(
            "service",
            f"this is not {OURS}: {who or 'it does not answer as such a server'}"
            f" (GET /health gives status {reply.status})",
            "check the port (8000 where nothing else was set) and what stands before /v1",
        )
    yield note(
        "service", f"this is not {OURS} ({_who(reply) or 'unknown'}), but speaks its language"
    )
    yield Service(ours=False)


def _who(reply: Reply) -> str:
    software = reply.headers.get("server", "")
    said = words_of(reply.body)[:80]
    return " ".join(part for part in (software, f'"{said}"' if said else "") if part)


def _moved(reply: Reply) -> Failure:
    target = reply.headers.get("location", "another address").removesuffix("/health")
    return Failure(
        "service",
        f"the address leads to {target}, and bots do not follow",
        f"write {target.rstrip('/')}/v1 as Base URL",
    )


def _unable(reply: Reply, state: str) -> Failure:
    details = " ".join(str(each.get("detail", "")) for each in _states(reply.body)).strip()
    told = f": {details}" if details else ""
    if state == "loading":
        return Failure("service", f"the model is being loaded{told}", "wait, then try again")
    if state == "draining":
        return Failure("service", "the server is about to end or to restart", "try again soon")
    return Failure(
        "service",
        f"the server runs and its model does not{told}",
        "see gpt-api doctor there, and journalctl -u gpt-api -n 100",
    )


def _states(body: Any) -> Sequence[dict[str, Any]]:
    models = body.get("models")
    states = models.values() if isinstance(models, dict) else ()
    return [each for each in states if isinstance(each, dict)]


def _names(body: Any) -> list[str]:
    data = body.get("data") if isinstance(body, dict) else None
    entries = data if isinstance(data, list) else []
    return [str(each["id"]) for each in entries if isinstance(each, dict) and "id" in each]
