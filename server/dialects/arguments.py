"""A tool call's arguments: text to a model, an object to a client. Knows no dialect."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

# Where text that is no JSON object is put, so that it is neither lost nor taken for arguments.
INVALID = "INVALID_JSON"


def arguments_object(text: str) -> dict[str, Any]:
    """The object that `text` spells; `{INVALID: text}` where it spells none."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return {INVALID: text}
    return value if isinstance(value, dict) else {INVALID: text}


def arguments_text(value: Mapping[str, Any]) -> str:
    """The same as text, in compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
