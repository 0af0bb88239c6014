"""API keys: who holds one and what it allows. Keeps digests only: no key can be read back.

Knows headers as a mapping of lower-case names (or a case-insensitive one), nothing else of HTTP.
"""

import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from server.core.errors import ServerError

Permission: TypeAlias = Literal["all", "chat", "completions", "embeddings", "models", "admin"]
PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

# Tried in this order; the first header that holds a valid key decides.
KEY_HEADERS = ("authorization", "x-api-key", "api-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is asking, and what they may do. `owner` tells apart the holders of different keys, also
    where the user's name is the same; empty for those without one.
    """

    user: str
    permissions: frozenset[Permission]
    owner: str = field(default="", repr=False)

    def allows(self, permission: Permission) -> bool:
        return permission in self.permissions or "all" in self.permissions

    def require(self, *permissions: Permission) -> None:
        """Errors: ServerError forbidden when this principal has none of the permissions."""
        if not any(map(self.allows, permissions)):
            needed = ", ".join(map(repr, permissions))
            raise ServerError(
                "forbidden",
                f"Your API key doesn't have permission for this operation: it needs {needed}"
                " or 'all'. Ask the operator of this server to add it to the key's permissions.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """A key as its SHA-256 digest, and whose it is."""

    digest: bytes
    principal: Principal


# Whoever asks a server without keys may use it, but not administer it.
ANONYMOUS = Principal(
    user="anonymous", permissions=frozenset({"chat", "completions", "embeddings", "models"})
)


class KeyTable:
    """The keys of this server. An empty table is open: everybody is `ANONYMOUS`."""

    def __init__(self, entries: Iterable[KeyEntry] = ()) -> None:
        self._entries = tuple(entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[KeyEntry]:
        return iter(self._entries)

    def __str__(self) -> str:
        return f"{len(self)} {'key' if len(self) == 1 else 'keys'}"

    def __repr__(self) -> str:
        return f"<KeyTable of {self}>"

    @property
    def open(self) -> bool:
        return not self._entries

    def users(self) -> list[str]:
        """The users' names, each once, in the table's order."""
        return list(dict.fromkeys(entry.principal.user for entry in self._entries))

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Who sends these headers. Errors: ServerError unauthenticated."""
        if self.open:
            return ANONYMOUS
        presented = [key for name in KEY_HEADERS if (key := _key_in(headers.get(name, "")))]
        for key in presented:
            if principal := self._find(key):
                return principal
        problem = "Invalid API key" if presented else "API key is missing"
        raise ServerError(
            "unauthenticated",
            f"{problem}. Send a key of this server in the header 'Authorization: Bearer YOUR_KEY'.",
            code="invalid_api_key",
        )

    def _find(self, key: str) -> Principal | None:
        """The holder of `key`. Every entry is compared, so that time tells nothing about any."""
        presented = digest(key)
        found: Principal | None = None
        for entry in self._entries:
            if hmac.compare_digest(entry.digest, presented):
                found = entry.principal
        return found


def digest(key: str) -> bytes:
    # Headers may carry any bytes, and Python shows those it cannot decode as lone surrogates.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _key_in(value: str) -> str:
    """The key in a header's value: after `Bearer`, in any case, or the bare value."""
    scheme, _, rest = value.strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else value.strip()
