"""What a refusal means to whoever set a bot up: a status with its words -> cause and way out."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from server.verdicts import Failure

LONGEST_WORDS = 300

# status -> (what it is, what to do).
MEANINGS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        400: ("the request was not understood", "see the words of the server"),
        401: (
            "the key is not accepted",
            "copy the key again from the server's table of keys, whole and without spaces",
        ),
        402: (
            "the key's budget is spent",
            "have its operator raise the budget, or wait for its end",
        ),
        403: (
            "the key may not do this",
            'give the key the permission "chat" or "all" in the table of keys, or the model',
        ),
        404: ("there is nothing at this address", "check the path: the base URL ends with /v1"),
        405: ("this address takes other requests", "check the path: the base URL ends with /v1"),
        408: ("the server gave up waiting", "try again"),
        413: (
            "the request is too large for something on the way",
            "raise the limit of the proxy (client_max_body_size in nginx) or MAX_BODY_BYTES",
        ),
        429: (
            "the key asks too often, or too much at a time",
            "wait, ask less often, or have its operator raise the key's limits",
        ),
        500: ("the server failed", "see its log: journalctl -u gpt-api -n 100"),
        501: ("the server does not do this", "ask another model"),
        502: (
            "a proxy answers, but the server behind it does not",
            "start gpt-api (systemctl status gpt-api), and check the port that the proxy passes to",
        ),
        503: ("the server cannot answer now", "try again later"),
        504: (
            "something on the way gave up waiting",
            "raise the time limit of the proxy (proxy_read_timeout in nginx), ask for fewer"
            " tokens, or stream",
        ),
    }
)
# What finer codes mean, where the status alone says too little.
CODES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "insufficient_quota": MEANINGS[402],
        "model_not_found": (
            "the server does not know this model",
            "write a name that it lists as Model Name",
        ),
        "model_loading": (
            "the model is still being loaded",
            "wait until /health says ok, then try again",
        ),
        "queue_full": (
            "too many are waiting already",
            "try again later; more at a time need a larger N_PARALLEL or a faster machine",
        ),
        "insufficient_memory": (
            "the model does not fit into memory",
            "lower CONTEXT_LENGTH or N_PARALLEL, or take a smaller model: gpt-api doctor tells",
        ),
        "model_not_allowed": (
            "the key may not use this model",
            "name another model, or have its operator allow this one",
        ),
    }
)
_CLOUDFLARE = range(520, 527)


def refusal(subject: str, status: int, body: Any, retry_after: str = "") -> Failure:
    """Why the server refused; `body` is its JSON or text."""
    code = error_code(body)
    cause, way_out = CODES.get(code) or MEANINGS.get(status) or _other(status)
    said = words_of(body)
    later = f" (it says: after {retry_after} s)" if retry_after.isdigit() else ""
    quoted = f': "{said}"' if said else ""
    return Failure(subject, f"{cause} (status {status}{quoted})", f"{way_out}{later}")


def error_code(body: Any) -> str:
    error = body.get("error") if isinstance(body, dict) else None
    return str(error.get("code") or "") if isinstance(error, dict) else ""


def words_of(body: Any) -> str:
    """The server's own words, cut to a line."""
    if isinstance(body, dict):
        error = body.get("error")
        said = error.get("message") if isinstance(error, dict) else error
        said = said or body.get("detail") or body.get("message") or ""
    else:
        title = re.search(r"<title>(.*?)</title>", str(body), re.IGNORECASE | re.DOTALL)
        said = title[1] if title else str(body)
    line = " ".join(str(said).split())
    return line if len(line) <= LONGEST_WORDS else f"{line[:LONGEST_WORDS]}..."


def _other(status: int) -> tuple[str, str]:
    if status in _CLOUDFLARE:
        return (
            "Cloudflare does not get an answer of the server",
            "stream, ask for fewer tokens, or let the bot go to the server directly",
        )
    if 300 <= status < 400:
        return "the address has moved", "write the address that it leads to"
    return "an unexpected answer", "check that it is gpt-api that listens there"
