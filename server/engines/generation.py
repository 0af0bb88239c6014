"""One answer: a request rendered to tokens, submitted to a session, its tokens read into events.

Knows the order of things; what tokens mean the format knows, how they are made the worker.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from itertools import chain

from server.core.errors import ServerError
from server.core.events import Event, PartDelta
from server.core.request import GenerationRequest
from server.engines.allowance import GenerationLimits
from server.engines.reading import Reading
from server.engines.session import Mailbox, Session
from server.engines.submission import Submissions
from server.worker.messages import Submit


async def generate(
    session: Session, request: GenerationRequest, limits: GenerationLimits, threads: Executor
) -> AsyncGenerator[Event, None]:
    """The events of one answer. Leaving early cancels. Errors: see `core.ports.Engine.generate`."""
    loop = asyncio.get_running_loop()
    submissions = await loop.run_in_executor(
        threads, Submissions, session.card, session.format, request, limits
    )
    reading = Reading(
        request,
        session.format.reader(request),
        session.vocabulary,
        submissions.prompt_tokens,
        submissions.allowance.visible,
        submissions.left_out,
    )
    deadline = _Deadline(limits.timeout_s)
    command: Submit | None = submissions.first(session.next_id())
    while command is not None:
        with _submitted(session, command, deadline) as mailbox:
            reading.begin()
            while not reading.ended:
                for event in merged(reading.read(await mailbox.take())):
                    yield event
                if reading.cut:
                    session.halt(command.id)
        command = None
        if not reading.done:
            command = submissions.again(
                session.next_id(), reading.said, reading.visible_tokens, reading.reasoning_tokens
            )
    if not reading.done:
        for event in reading.finish():
            yield event


async def tokenize(
    session: Session, request: GenerationRequest, threads: Executor
) -> tuple[int, ...]:
    """The ids of a request's prompt. Errors: ServerError invalid."""
    loop = asyncio.get_running_loop()
    prompt = await loop.run_in_executor(threads, session.format.prompt, request)
    return tuple(prompt.tokens)


def merged(events: Iterable[Event]) -> Iterator[Event]:
    """The same events with neighbouring deltas joined: tokens that arrived together leave together,
    so that a fast model never outruns the gateway.
    """
    deltas: list[PartDelta] = []
    try:
        for event in events:
            if isinstance(event, PartDelta):
                deltas.append(event)
                continue
            yield from _joined(deltas)
            deltas = []
            yield event
    except ServerError:
        # What was read before the failure is the client's all the same.
        yield from _joined(deltas)
        raise
    yield from _joined(deltas)


def _joined(deltas: list[PartDelta]) -> Iterator[PartDelta]:
    if len(deltas) < 2:
        yield from deltas
        return
    yield PartDelta(
        text="".join(delta.text for delta in deltas),
        logprobs=tuple(chain.from_iterable(delta.logprobs for delta in deltas)),
    )


class _Deadline:
    """When a request has taken too long, in all its submissions together."""

    def __init__(self, timeout_s: float | None) -> None:
        self._timeout_s = timeout_s
        self._begun = asyncio.get_running_loop().time()

    @contextmanager
    def over(self, mailbox: Mailbox) -> Iterator[None]:
        """While this lasts, an error comes with the mail when the time is up."""
        timeout_s = self._timeout_s
        if timeout_s is None:
            yield
            return
        error = ServerError(
            "timeout",
            f"The answer was not finished within {timeout_s:g} seconds; "
            "ask for fewer tokens or raise REQUEST_TIMEOUT_SECONDS.",
        )
        loop = asyncio.get_running_loop()
        timer = loop.call_at(self._begun + timeout_s, mailbox.put, error)
        try:
            yield
        finally:
            timer.cancel()


@contextmanager
def _submitted(session: Session, command: Submit, deadline: _Deadline) -> Iterator[Mailbox]:
    """What comes of a submission, which is cancelled if this is left before its end."""
    mailbox = session.submit(command)
    try:
        with deadline.over(mailbox):
            yield mailbox
    finally:
        session.cancel(command.id)
