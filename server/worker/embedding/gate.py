"""Who may come in: answers every request for embeddings when it arrives, also while the engine
computes. Knows how many are inside; how long a text is in tokens is found later.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

from server.worker.embedding.messages import Embed
from server.worker.messages import Accepted, RefusalKind, Refused

RETRY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingLimits:
    """`queue_limit` requests may be inside beside the first. Of a text, no more than `text_bytes`
    are read; `width` is a whole vector's.
    """

    queue_limit: int
    vocabulary_size: int
    width: int
    text_bytes: int


class EmbeddingGate:
    """Counts the requests from acceptance to end. Any thread may call it."""

    def __init__(self, limits: EmbeddingLimits) -> None:
        self._limits = limits
        self._lock = Lock()
        self._inside: set[int] = set()

    def enter(self, request: Embed) -> Accepted | Refused:
        """Let a request in, or say why not. One that is in must `leave`."""
        for kind, fault in self._faults(request):
            return Refused(id=request.id, kind=kind, message=fault)
        with self._lock:
            if request.id in self._inside:
                message = f"Request {request.id} is running already."
                return Refused(id=request.id, kind="invalid", message=message)
            if len(self._inside) > self._limits.queue_limit:
                message = (
                    f"{len(self._inside)} requests for embeddings are being answered, which is all"
                    f" this server takes; try again in {RETRY_S:g} s."
                )
                return Refused(id=request.id, kind="busy", message=message, retry_after=RETRY_S)
            self._inside.add(request.id)
        return Accepted(id=request.id)

    def leave(self, request: int) -> None:
        """The request has ended. Harmless twice."""
        with self._lock:
            self._inside.discard(request)

    def _faults(self, request: Embed) -> Iterator[tuple[RefusalKind, str]]:
        limits = self._limits
        if not request.inputs:
            yield "invalid", "There is nothing to embed; send at least one input."
        if request.width is not None and not 1 <= request.width <= limits.width:
            yield "invalid", f"The model's vectors have {limits.width} numbers; ask for no more."
        for index, given in enumerate(request.inputs):
            if isinstance(given, str):
                size = len(given.encode())
                if size > limits.text_bytes and not request.truncate:
                    yield "context_too_long", _too_large(index, size, limits.text_bytes)
            elif strange := [token for token in given if not 0 <= token < limits.vocabulary_size]:
                yield "invalid", _no_token(index, strange[0], limits.vocabulary_size)


def _too_large(index: int, size: int, most: int) -> str:
    return (
        f"input[{index}] has {size} bytes, and no text of more than {most} is read here; split it,"
        ' or send "truncate": true.'
    )


def _no_token(index: int, token: int, vocabulary_size: int) -> str:
    return (
        f"input[{index}] holds the token {token}; this model's end at {vocabulary_size - 1}. Tokens"
        " of another model's tokenizer mean nothing here: send text."
    )
