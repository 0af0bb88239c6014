"""Why an answer ends before its end, for the client; and whether to try another worker."""

from server.core.errors import ServerError
from server.engines.link import Ending


def closing() -> ServerError:
    return ServerError(
        "busy",
        "The server is shutting down before the answer was finished; send the request again soon.",
        code="shutting_down",
        retry_after=5.0,
    )


def failed(message: str) -> ServerError:
    return ServerError("engine_failed", message)


def died(ending: Ending) -> ServerError:
    return failed(
        f"The model's worker process ended while it was answering ({ending.cause}); "
        "it is being restarted, send the request again."
    )


def may_recover(ending: Ending) -> bool:
    """Whether a worker that died while loading deserves another try: only if it was killed from
    outside. What llama.cpp aborts on, it aborts on again.
    """
    return ending.cause.startswith("killed by SIGKILL") or ending.cause.endswith("SIGTERM")
