"""What is to become vectors, and whose turn it is: requests share every batch in turn, so that none
waits for all of another's inputs. Knows tokens, not how vectors are made.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from server.worker.embedding.messages import Embed, Embedded
from server.worker.embedding.ports import EmbeddingRunner, Passage
from server.worker.messages import RefusalKind, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """A passage has at most `context_length` tokens. A batch has at most `passages` of them, and
    beside the first only what keeps it within `tokens`. No more than `text_bytes` of a text are
    read, and `width` is a whole vector's.
    """

    context_length: int
    tokens: int
    passages: int
    text_bytes: int
    width: int


@dataclass(eq=False, slots=True)
class _Job:
    """A request: the inputs that were read, those whose turn has come, and the vectors so far."""

    request: Embed
    read: list[Passage] = field(default_factory=list)
    planned: int = 0
    vectors: dict[int, bytes] = field(default_factory=dict)

    @property
    def is_read(self) -> bool:
        return len(self.read) == len(self.request.inputs)

    @property
    def waits(self) -> bool:
        """Whether it has passages for the next batch: only when every input is known to be good."""
        return self.is_read and self.planned < len(self.read)


class _Unfit(Exception):
    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind: RefusalKind = kind


class Jobs:
    """The accepted requests, from arrival to the last vector."""

    def __init__(self, runner: EmbeddingRunner, limits: BatchLimits) -> None:
        self._runner = runner
        self._limits = limits
        self._jobs: deque[_Job] = deque()

    @property
    def idle(self) -> bool:
        return not self._jobs

    def submit(self, request: Embed) -> None:
        self._jobs.append(_Job(request))

    def remove(self, requests: Iterable[int]) -> None:
        """Forget these requests; harmless for those that are not there."""
        gone = set(requests)
        self._jobs = deque(job for job in self._jobs if job.request.id not in gone)

    def ids(self) -> list[int]:
        return [job.request.id for job in self._jobs]

    def read(self, size: int) -> Refused | None:
        """Tokenise about `size` characters of the request that has waited longest for it. The
        refusal of one with an input that does not fit; it is forgotten then.
        """
        job = next((job for job in self._jobs if not job.is_read), None)
        if job is None:
            return None
        try:
            while size > 0 and not job.is_read:
                given = job.request.inputs[len(job.read)]
                size -= len(given)
                job.read.append(self._passage(job, given))
        except _Unfit as unfit:
            self.remove([job.request.id])
            return Refused(id=job.request.id, kind=unfit.kind, message=str(unfit))
        return None

    def plan(self) -> list[Passage]:
        """The next batch: a passage of each request in turn, for as long as they fit."""
        batch: list[Passage] = []
        room = self._limits.tokens
        turn = deque(job for job in self._jobs if job.waits)
        self._jobs.rotate(-1)
        while turn and len(batch) < self._limits.passages:
            job = turn.popleft()
            passage = job.read[job.planned]
            if batch and len(passage.tokens) > room:
                continue
            batch.append(passage)
            room -= len(passage.tokens)
            job.planned += 1
            if job.waits:
                turn.append(job)
        return batch

    def rewind(self, batch: Sequence[Passage]) -> None:
        """The batch was not computed: its passages are in a later one."""
        jobs = self._by_id()
        for passage in batch:
            job = jobs[passage.job]
            job.planned = min(job.planned, passage.ordinal)

    def advance(self, batch: Sequence[Passage], vectors: Sequence[bytes]) -> list[Embedded]:
        """Take the vectors of a batch; the answers to requests that have them all now."""
        jobs = self._by_id()
        for passage, vector in zip(batch, vectors, strict=True):
            jobs[passage.job].vectors[passage.ordinal] = vector
        done = [job for job in self._jobs if len(job.vectors) == len(job.request.inputs)]
        self.remove(job.request.id for job in done)
        return [_answer(job) for job in done]

    def _by_id(self) -> dict[int, _Job]:
        return {job.request.id: job for job in self._jobs}

    def _passage(self, job: _Job, given: str | list[int]) -> Passage:
        index, longest = len(job.read), self._limits.context_length
        tokens = self._tokens(given)
        if not tokens:
            raise _Unfit("invalid", f"input[{index}] is empty: the model finds no token in it.")
        if len(tokens) > longest:
            if not job.request.truncate:
                message = (
                    f"input[{index}] has {len(tokens)} tokens, and the model reads at most"
                    f' {longest}; split it, or send "truncate": true.'
                )
                raise _Unfit("context_too_long", message)
            tokens = self._runner.cut(tokens, longest)
        width = job.request.width or self._limits.width
        return Passage(job.request.id, index, tokens, width)

    def _tokens(self, given: str | list[int]) -> list[int]:
        if not isinstance(given, str):
            return given
        data = given.encode()
        if len(data) > self._limits.text_bytes:
            given = data[: self._limits.text_bytes].decode(errors="ignore")
        return self._runner.tokenize(given)


def _answer(job: _Job) -> Embedded:
    return Embedded(
        id=job.request.id,
        vectors=[job.vectors[index] for index in range(len(job.read))],
        tokens=[len(passage.tokens) for passage in job.read],
    )
