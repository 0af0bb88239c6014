"""The keys in force, which may be exchanged while requests run. Where they come from is not known
here.
"""

from collections.abc import Mapping

from server.auth.keys import KeyTable, Principal


class KeyRing:
    """Holds one table at a time; a request keeps what it was given by the table of its moment."""

    def __init__(self, table: KeyTable) -> None:
        self._table = table

    @property
    def table(self) -> KeyTable:
        return self._table

    def exchange(self, table: KeyTable) -> None:
        self._table = table

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Who sends these headers. Errors: ServerError unauthenticated."""
        return self._table.authenticate(headers)
