"""The one exception that reaches a client, by kind. What status and words a kind gets on the wire
is not known here.
"""

from typing import Literal, TypeAlias

ErrorKind: TypeAlias = Literal[
    "invalid",
    "context_too_long",
    "unauthenticated",
    "forbidden",
    "not_found",
    "model_not_found",
    "too_large",
    "busy",
    "loading",
    "insufficient_memory",
    "engine_failed",
    "upstream_failed",
    "not_implemented",
    "timeout",
]


class ServerError(Exception):
    """One clear sentence for the client: what is wrong and the way out.

    `param` names the request field at fault as a path (`messages[2].content`); `code` overrides the
    kind's usual code where the wire knows a finer one; `retry_after` is in seconds.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: ErrorKind = kind
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after
