"""One answer: a request rendered to tokens, submitted to a session, its tokens read into events.

Knows the order of things; what tokens mean the format knows, how they are made the worker.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain

from server.core.errors import ServerError
from server.core.events import (
    Event,
    Finished,
    FinishReason,
    PartDelta,
    Started,
    Timings,
    TokenLogprob,
    Usage,
)
from server.core.request import GenerationRequest, Sampling
from server.engines.session import Item, Mailbox, Session
from server.formats.base import Prompt, Reader
from server.formats.stops import StopFilter
from server.worker.messages import Accepted, Ended, SamplerOptions, Submit, Token

log = logging.getLogger(__name__)

SEED_BITS = 32
MARK_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationLimits:
    """What a request may use and what it gets when it does not say.

    `sampling` has every value set. Tokens are the model's; seconds are wall clock from submission.
    With `shared_prefixes` what was computed of one owner's prompt also serves the others.
    """

    sampling: Sampling
    max_tokens: int
    max_input_tokens: int | None = None
    timeout_s: float | None = None
    shared_prefixes: bool = False


async def generate(
    session: Session, request: GenerationRequest, limits: GenerationLimits, threads: Executor
) -> AsyncGenerator[Event, None]:
    """The events of one answer. Leaving early cancels. Errors: see `core.ports.Engine.generate`."""
    loop = asyncio.get_running_loop()
    prompt = await loop.run_in_executor(threads, session.format.prompt, request)
    command = _submission(session, request, prompt, limits)
    mailbox = session.submit(command)
    deadline = _deadline(mailbox, limits.timeout_s)
    reading = _Reading(session, request, len(prompt.tokens))
    try:
        while not reading.done:
            for event in merged(reading.read(await mailbox.take())):
                yield event
            if reading.stopped:
                session.halt(command.id)
    finally:
        session.cancel(command.id)
        if deadline is not None:
            deadline.cancel()


async def count(session: Session, request: GenerationRequest, threads: Executor) -> int:
    """The tokens of a request's prompt. Errors: ServerError invalid."""
    loop = asyncio.get_running_loop()
    prompt = await loop.run_in_executor(threads, session.format.prompt, request)
    return len(prompt.tokens)


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


class _Reading:
    """Reads what the worker says of one request: tokens through the reader and the stop filter."""

    def __init__(self, session: Session, request: GenerationRequest, prompt_tokens: int) -> None:
        self._vocabulary = session.vocabulary
        self._reader: Reader = session.format.reader(request)
        self._stops = StopFilter(request.stop)
        self._prompt_tokens = prompt_tokens
        self._tokens = 0
        self.done = False

    def read(self, items: list[Item | ServerError]) -> Iterator[Event]:
        """The events of these items, in order. Errors: the ServerError that ended the request."""
        for item in items:
            if isinstance(item, ServerError):
                raise item
            if isinstance(item, Accepted):
                yield Started(prompt_tokens=self._prompt_tokens)
            elif isinstance(item, Token):
                yield from self._token(item)
            else:
                yield from self._end(item)
            if self.done:
                return

    @property
    def stopped(self) -> bool:
        """Whether a stop string came: the worker need not go on, its last word is awaited."""
        return self._stops.hit is not None

    def _token(self, token: Token) -> Iterator[Event]:
        if self.stopped:
            return
        self._tokens += 1
        yield from self._stops.feed(self._reader.feed(token.token, self._logprob(token)))

    def _end(self, ended: Ended) -> Iterator[Event]:
        """What was held back, and the end."""
        if ended.reason in ("failed", "cancelled") and not self.stopped:
            raise ServerError("engine_failed", ended.message or "The engine ended the request.")
        yield from self._stops.feed(self._reader.finish())
        yield from self._stops.finish()
        self.done = True
        finished = Finished(
            reason=self._reason(ended),
            usage=Usage(
                prompt_tokens=self._prompt_tokens,
                cached_tokens=ended.cached_tokens,
                completion_tokens=self._tokens,
                reasoning_tokens=self._reader.reasoning_tokens,
            ),
            timings=Timings(
                queue_s=ended.queue_s,
                prompt_s=ended.prompt_s,
                generation_s=ended.generation_s,
            ),
            warning=self._reader.warning,
            stop_string=self._stops.hit,
        )
        _log(finished)
        yield finished

    def _reason(self, ended: Ended) -> FinishReason:
        if self.stopped:
            return "stop"
        return "length" if ended.reason == "length" else self._reader.reason

    def _logprob(self, token: Token) -> TokenLogprob | None:
        if token.logprob is None:
            return None
        spell = self._vocabulary.bytes_of
        top = tuple((spell(other), logprob) for other, logprob in token.top)
        return TokenLogprob(token=spell(token.token), logprob=token.logprob, top=top)


def _log(finished: Finished) -> None:
    """One line an answer: what an operator wants to know of it, and nothing of what it says."""
    usage, timings = finished.usage, finished.timings
    log.info(
        "answered (%s): prompt %d tokens (%d cached) in %.2f s, answer %d tokens (%d thinking)"
        " in %.2f s, queue %.2f s",
        finished.reason,
        usage.prompt_tokens,
        usage.cached_tokens,
        timings.prompt_s,
        usage.completion_tokens,
        usage.reasoning_tokens,
        timings.generation_s,
        timings.queue_s,
    )
    if finished.warning is not None:
        log.warning("mended: %s", finished.warning)


def _deadline(mailbox: Mailbox, timeout_s: float | None) -> asyncio.TimerHandle | None:
    if timeout_s is None:
        return None
    error = ServerError(
        "timeout",
        f"The answer was not finished within {timeout_s:g} seconds; "
        "ask for fewer tokens or raise REQUEST_TIMEOUT_SECONDS.",
    )
    return asyncio.get_running_loop().call_later(timeout_s, mailbox.put, error)


def _submission(
    session: Session, request: GenerationRequest, prompt: Prompt, limits: GenerationLimits
) -> Submit:
    return Submit(
        id=session.next_id(),
        prompt=prompt.tokens,
        max_tokens=_max_tokens(len(prompt.tokens), session.card.context_length, request, limits),
        stop_ids=list(prompt.stop_ids),
        sampler=_sampler(request.sampling.filled(limits.sampling), session.card.vocabulary_size),
        top_logprobs=request.logprobs,
        salt=b"" if limits.shared_prefixes else _mark(request.owner),
        owner=_mark(request.owner),
        boundaries=list(prompt.boundaries),
    )


def _mark(owner: str) -> bytes:
    """Tells an owner apart where it is written down, without telling who it is."""
    return sha256(f"prefixes of {owner}".encode()).digest()[:MARK_BYTES] if owner else b""


def _max_tokens(
    prompt: int, context: int, request: GenerationRequest, limits: GenerationLimits
) -> int:
    """Tokens to generate: what was asked for, or the default as far as the context has room."""
    room = context - prompt
    asked = request.max_tokens
    if limits.max_input_tokens is not None and prompt > limits.max_input_tokens:
        raise _too_long(
            f"The prompt has {prompt} tokens, this server takes at most "
            f"{limits.max_input_tokens} (MAX_INPUT_TOKENS); shorten the messages."
        )
    needed = 1 if request.fit else asked or 1
    if room < needed:
        wanted = f" and the answer may take {asked} more" if needed > 1 else ""
        raise _too_long(
            f"The prompt has {prompt} tokens{wanted}, the context holds {context} together; "
            "shorten the messages or lower max_tokens."
        )
    return min(asked or limits.max_tokens, room)


def _too_long(message: str) -> ServerError:
    return ServerError("context_too_long", message, param="messages")


def _sampler(sampling: Sampling, vocabulary: int) -> SamplerOptions:
    """A filled sampling as the worker wants it. Errors: ServerError for a bias on an unknown id."""
    strange = [token for token in sampling.logit_bias if not 0 <= token < vocabulary]
    if strange:
        raise ServerError(
            "invalid",
            f"logit_bias names token {strange[0]}; the vocabulary ends at {vocabulary - 1}.",
            param="logit_bias",
        )
    values = {name: getattr(sampling, name) for name in SamplerOptions.__struct_fields__}
    seed = secrets.randbits(SEED_BITS) if sampling.seed is None else sampling.seed
    values |= {"seed": seed % (1 << SEED_BITS), "logit_bias": dict(sampling.logit_bias)}
    return SamplerOptions(**values)
