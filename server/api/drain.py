"""Whether requests are still taken. Knows neither signals nor sockets."""

from server.core.errors import ServerError

# A server that is started again is back after so many seconds, as a rule.
RETRY_S = 5.0


class Drain:
    """Nothing is drained until `begin`; from `refuse` on nobody is let in."""

    def __init__(self) -> None:
        self._begun = False
        self._refusing = False

    @property
    def begun(self) -> bool:
        """Whether the server is about to end: a connection ends with the reply it waits for."""
        return self._begun

    def begin(self) -> None:
        self._begun = True

    def refuse(self) -> None:
        self._begun = self._refusing = True

    def admit(self) -> None:
        """Let a request in. Errors: ServerError busy."""
        if self._refusing:
            raise ServerError(
                "busy",
                "The server is shutting down and takes no new requests; try again soon.",
                code="shutting_down",
                retry_after=RETRY_S,
            )
