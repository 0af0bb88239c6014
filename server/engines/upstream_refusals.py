"""What another server says when it does not answer -> the one exception that clients get.

Its words about a request are the client's; what concerns the operator (keys, addresses, names) is
told without them.
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from server.core.errors import ErrorKind, ServerError

# Of what another server says no more than this is read, and passed on.
MOST_BYTES = 64 * 1024
MOST_WORDS = 500

# Statuses that say something about the request; others of the 4xx concern the operator.
_KINDS: Mapping[int, ErrorKind] = {
    400: "invalid",
    408: "timeout",
    413: "invalid",
    422: "invalid",
    425: "busy",
    429: "busy",
    503: "busy",
    504: "timeout",
}
_OPERATORS: Mapping[int, str] = {
    401: "does not know the key that this server has for it",
    402: "wants to be paid by this server",
    403: "does not let this server in with the key that it has",
    404: "does not have the address or the model that this server was told",
    407: "is behind a proxy that wants a password of this server",
}
_TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error"})


def unanswered(name: str, reason: str) -> ServerError:
    """It failed, for this reason."""
    return ServerError("upstream_failed", f"The server behind the model {name!r} {reason}.")


def silent(name: str, timeout_s: float, limit: str) -> ServerError:
    """It took too long."""
    return ServerError(
        "timeout",
        f"The server behind the model {name!r} {limit} within {timeout_s:g} seconds; try again, or"
        " ask for less.",
    )


def refusal(name: str, status: int, headers: Mapping[str, str], body: bytes) -> ServerError:
    """The failure that a status stands for, with the body's words where they are the client's."""
    if 300 <= status < 400:
        return unanswered(name, f"sends elsewhere (status {status}), where nobody asks")
    wait_s = _seconds(headers.get("Retry-After", ""))
    return _failure(name, status, _told(body), wait_s)


def told_failure(name: str, data: Any) -> ServerError | None:
    """The failure that an object amid a stream tells, if it does."""
    if not isinstance(data, dict) or not (data.get("error") or data.get("object") == "error"):
        return None
    told = _words_of(data)
    code = told.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return _failure(name, status, told, None)


def _failure(
    name: str, status: int, told: Mapping[str, Any], retry_after: float | None
) -> ServerError:
    if reason := _OPERATORS.get(status):
        return unanswered(name, f"{reason} (status {status}); its operator has to see to it")
    kind = _KINDS.get(status, "upstream_failed")
    words = " ".join(str(told.get("message") or "").split())[:MOST_WORDS]
    if kind == "invalid":
        return _invalid(words or f"The server behind the model {name!r} refuses this.", told)
    if kind == "busy":
        reason = "cannot take this request now; try again soon"
        return ServerError(
            kind, f"The server behind the model {name!r} {reason}.", retry_after=retry_after
        )
    ended = f"failed (status {status})" + (f": {words.rstrip('.')}" if words else "")
    return ServerError(kind, f"The server behind the model {name!r} {ended}.")


def _invalid(words: str, told: Mapping[str, Any]) -> ServerError:
    code, param = told.get("code"), told.get("param")
    return ServerError(
        "context_too_long" if _TOO_LONG & {str(code), str(told.get("type"))} else "invalid",
        words,
        param=param if isinstance(param, str) else None,
        code=code if isinstance(code, str) else None,
    )


def _told(body: bytes) -> Mapping[str, Any]:
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return _words_of(data) if isinstance(data, dict) else {}


def _words_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """`{message, param, code, type}` of the shapes that servers give errors: OpenAI's object,
    Ollama's string, vLLM's flat object, FastAPI's detail.
    """
    match data:
        case {"error": dict() as inner}:
            return inner
        case {"error": str() as text} | {"detail": str() as text}:
            return {"message": text}
        case {"detail": [{"msg": str() as text}, *_]}:
            return {"message": text}
    return data


def _seconds(text: str) -> float | None:
    """Retry-After: seconds, or a date."""
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max((then - datetime.now(timezone.utc)).total_seconds(), 1.0)
