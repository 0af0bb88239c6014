"""What the worker says of one request, read into events: tokens through the format's reader and the
stop filter, up to the last visible token that is allowed.

Knows what an answer is; not where its tokens come from.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from server.core.errors import ServerError
from server.core.events import (
    Event,
    Finished,
    FinishReason,
    PartDelta,
    PartKind,
    PartStarted,
    Started,
    Timings,
    TokenLogprob,
    Usage,
)
from server.core.request import GenerationRequest, GrammarOutput, JsonOutput
from server.engines.session import Item
from server.formats.base import Reader
from server.formats.stops import StopFilter
from server.formats.vocabulary import Vocabulary
from server.worker.messages import Accepted, Ended, Token

log = logging.getLogger(__name__)

# How often a model is made to go on that ended without an answer, or called what is not there.
FOLLOW_UPS = 3

UNSTOPPED = "The stop strings were not applied: a JSON answer ends by itself."


@dataclass(slots=True)
class _Spent:
    """What all submissions of an answer took together, and of the first prompt was restored."""

    cached_tokens: int | None = None
    queue_s: float = 0.0
    prompt_s: float = 0.0
    generation_s: float = 0.0

    def add(self, ended: Ended) -> None:
        if self.cached_tokens is None:
            self.cached_tokens = ended.cached_tokens
        self.queue_s += ended.queue_s
        self.prompt_s += ended.prompt_s
        self.generation_s += ended.generation_s


class Reading:
    """Reads one answer of at most `max_visible` visible tokens, out of one submission or several,
    to a conversation of which `left_out` messages were left out.

    `ended`: the worker has said its last word on the submission. Then either the answer is `done`,
    or the model has to go on after `said`; `begin` before it does.
    """

    def __init__(
        self,
        request: GenerationRequest,
        reader: Reader,
        vocabulary: Vocabulary,
        prompt_tokens: int,
        max_visible: int,
        left_out: int = 0,
    ) -> None:
        self._reader = reader
        self._vocabulary = vocabulary
        self._unstopped = bool(request.stop) and isinstance(request.output, JsonOutput)
        self._stops = StopFilter(() if self._unstopped else request.stop)
        self._has_grammar = isinstance(request.output, GrammarOutput)
        self._prompt_tokens = prompt_tokens
        self._max_visible = max_visible
        self._left_out = left_out
        self._full = False
        self._started = False
        self._spoken = False
        self._kind: PartKind = "reasoning"
        self._generated = 0
        self._follow_ups = FOLLOW_UPS
        self._spent = _Spent()
        self.said: list[int] = []
        self.ended = False
        self.done = False

    @property
    def visible_tokens(self) -> int:
        return self._reader.visible_tokens

    @property
    def reasoning_tokens(self) -> int:
        return self._reader.reasoning_tokens

    @property
    def cut(self) -> bool:
        """Whether what comes is of no use, after a limit, a stop string or a call: the worker's
        last word is awaited, it need not go on.
        """
        reader = self._reader
        has_called = reader.reason == "tool_calls" and not reader.speaks
        return self._full or has_called or self._stops.hit is not None

    def begin(self) -> None:
        """Another submission follows."""
        self.ended = False

    def read(self, items: list[Item | ServerError]) -> Iterator[Event]:
        """The events of these items, in order. Errors: the ServerError that ended the request."""
        for item in items:
            if isinstance(item, ServerError):
                raise self._placed(item)
            if isinstance(item, Token):
                yield from self._token(item)
            elif isinstance(item, Accepted):
                if not self._started:
                    self._started = True
                    yield Started(prompt_tokens=self._prompt_tokens)
            else:
                self.ended = True
                yield from self._end(item)
                return

    def finish(self) -> Iterator[Event]:
        """The end of an answer that cannot go on though it should."""
        yield from self._finish("stop")

    def _placed(self, error: ServerError) -> ServerError:
        """The error with the field at fault, where the worker cannot know it: all that it may find
        wrong with a request that has been checked is a client's own grammar.
        """
        if error.kind == "invalid" and error.param is None and self._has_grammar:
            error.param = "grammar"
        return error

    def _token(self, token: Token) -> Iterator[Event]:
        if self.cut:
            return
        reader = self._reader
        if (
            reader.speaks
            and reader.visible_tokens >= self._max_visible
            and not self._vocabulary.is_control(token.token)
        ):
            self._full = True
            return
        self._generated += 1
        self.said.append(token.token)
        room = self._max_visible - reader.visible_tokens
        events = reader.feed(token.token, self._logprob(token))
        yield from self._passed(self._shortened(events, room))

    def _end(self, ended: Ended) -> Iterator[Event]:
        """What was held back and the end; nothing if the model has to go on."""
        if ended.reason in ("failed", "cancelled") and not self.cut:
            raise ServerError("engine_failed", ended.message or "The engine ended the request.")
        if ended.reason == "invalid" and not self.cut:
            raise self._placed(ServerError("invalid", ended.message))
        self._spent.add(ended)
        if ended.reason == "stop" and not self.cut and self._goes_on():
            return
        yield from self._finish(self._reason(ended))

    def _goes_on(self) -> bool:
        """Whether the model has to; what it is told takes the place of the id that ended it."""
        if not self._follow_ups or not (told := self._reader.follow_up()):
            return False
        self._follow_ups -= 1
        self.said[-1:] = told
        return True

    def _finish(self, reason: FinishReason) -> Iterator[Event]:
        room = self._max_visible - self._reader.visible_tokens
        yield from self._passed(self._shortened(self._reader.finish(), room))
        yield from self._stops.finish()
        self.done = True
        spent = self._spent
        finished = Finished(
            reason=reason,
            usage=Usage(
                prompt_tokens=self._prompt_tokens,
                cached_tokens=spent.cached_tokens or 0,
                completion_tokens=self._generated,
                reasoning_tokens=self._reader.reasoning_tokens,
            ),
            timings=Timings(
                queue_s=spent.queue_s, prompt_s=spent.prompt_s, generation_s=spent.generation_s
            ),
            warning=self._warning(reason),
            stop_string=self._stops.hit,
        )
        _log(finished)
        yield finished

    def _reason(self, ended: Ended) -> FinishReason:
        if self._stops.hit is not None:
            return "stop"
        return "length" if self._full or ended.reason == "length" else self._reader.reason

    def _warning(self, reason: FinishReason) -> str | None:
        """What was mended, what was not done, and why the answer is empty if it is."""
        sentences = [
            _shortening(self._left_out),
            self._reader.warning,
            UNSTOPPED if self._unstopped else None,
        ]
        if not self._spoken:
            sentences.append(self._emptiness(reason))
        return " ".join(sentence for sentence in sentences if sentence) or None

    def _emptiness(self, reason: FinishReason) -> str:
        if self._stops.hit is not None:
            return "A stop string came before any other text."
        if reason == "length":
            return (
                "The room for the answer was used up before its first visible token; shorten the"
                " messages, lower the reasoning effort or ask for fewer reasoning tokens."
            )
        return "The model ended its answer without writing anything."

    def _shortened(self, events: list[Event], room: int) -> list[Event]:
        """These events, with as many visible tokens as there was `room` for before them: text that
        looked like a header comes all at once.
        """
        if self._reader.visible_tokens <= self._max_visible:
            return events
        self._full = True
        shortened: list[Event] = []
        for event in events:
            if not isinstance(event, PartDelta):
                shortened.append(event)
            elif room > 0:
                shortened.append(self._beginning(event, room))
        return shortened

    def _beginning(self, delta: PartDelta, tokens: int) -> PartDelta:
        ids = self._vocabulary.encode_on(delta.text)[:tokens]
        data = b"".join(map(self._vocabulary.bytes_of, ids))
        return PartDelta(text=data.decode("utf-8", "replace"), logprobs=delta.logprobs[:tokens])

    def _passed(self, events: list[Event]) -> list[Event]:
        passed = self._stops.feed(events)
        if passed and not self._spoken:
            self._spoken = any(map(self._speech, passed))
        return passed

    def _speech(self, event: Event) -> bool:
        """Whether a client sees something of it: a call, or text that is no reasoning."""
        if isinstance(event, PartStarted):
            self._kind = event.kind
            return event.kind == "tool_call"
        return isinstance(event, PartDelta) and self._kind != "reasoning"

    def _logprob(self, token: Token) -> TokenLogprob | None:
        if token.logprob is None:
            return None
        spell = self._vocabulary.bytes_of
        top = tuple((spell(other), logprob) for other, logprob in token.top)
        return TokenLogprob(token=spell(token.token), logprob=token.logprob, top=top)


def _shortening(left_out: int) -> str | None:
    if not left_out:
        return None
    oldest = "oldest message was" if left_out == 1 else f"{left_out} oldest messages were"
    return f"The conversation is longer than the context: its {oldest} left out."


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
