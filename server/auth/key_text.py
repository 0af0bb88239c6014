"""Reads a table of keys as people write it: JSON, or the Python dict of an older `app.py`.

Where the text came from is not known here. No message ever repeats a key.
"""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any, cast

from server.auth.keys import PERMISSIONS, KeyEntry, KeyTable, Permission, Principal, digest

SHAPE = '{"sk-your-key": {"user": "admin", "permissions": ["all"]}}'
FIELDS = frozenset({"user", "permissions"})
_ASSIGNMENT = re.compile(r"\A\s*API_KEYS\s*(?::[^=]*)?=\s*")


class _Twice(dict[Any, Any]):
    """Marks an object in which one name stood twice: JSON itself would keep the last silently."""


def read_table(text: str) -> KeyTable:
    """The keys in `text`. Errors: ValueError with one sentence that shows no key."""
    table = _parse(text)
    if isinstance(table, str):
        # Some ways of setting a variable leave the quotes around its value.
        table = _parse(table)
    if isinstance(table, _Twice):
        raise ValueError("one of the keys stands in the table twice; remove one of the two entries")
    if not isinstance(table, dict):
        raise ValueError(f"the table of keys must look like {SHAPE}")
    return KeyTable(_entry(index, key, table[key]) for index, key in enumerate(table, start=1))


def _parse(text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(_ASSIGNMENT.sub("", text).strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        # Not chained: both parsers repeat the text, and the text holds keys.
        raise ValueError(f"this is neither JSON nor a Python dict like {SHAPE}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    return whole if len(whole) == len(pairs) else _Twice(whole)


def _entry(index: int, key: object, holder: object) -> KeyEntry:
    where = f"entry {index}"
    if not isinstance(key, str) or not key or not key.isascii() or not key.isprintable():
        raise ValueError(f"the key of {where} must be printable ASCII text; make a new one")
    if " " in key:
        raise ValueError(f"the key of {where} has a space in it; remove the space")
    if not isinstance(holder, Mapping) or set(holder) != FIELDS or isinstance(holder, _Twice):
        raise ValueError(f"{where} must have exactly a user and permissions, like {SHAPE}")
    user = holder["user"]
    if not isinstance(user, str) or not user.strip() or not user.isprintable():
        raise ValueError(f"the user of {where} must be a name in quotes")
    hidden = digest(key)
    permissions = _permissions(where, holder["permissions"])
    principal = Principal(user=user, permissions=permissions, owner=hidden.hex())
    return KeyEntry(digest=hidden, principal=principal)


def _permissions(where: str, names: object) -> frozenset[Permission]:
    known = ", ".join(PERMISSIONS)
    if not isinstance(names, list | tuple | set) or not names:
        raise ValueError(f'{where} needs a list of permissions, like ["all"]; there are {known}')
    for name in names:
        if name not in PERMISSIONS:
            shown = json.dumps(str(name)[:40])
            raise ValueError(f"{where} has the unknown permission {shown}; there are {known}")
    return frozenset(cast("list[Permission]", names))
