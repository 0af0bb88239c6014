"""A session whose model is a script, obeying the worker's own rules: what the bundled model would
hardly ever write can be seen through the whole gateway.
"""

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import date
from functools import cache

import numpy as np

from server.core.events import Answer, Event, collect
from server.core.ports import EngineStatus, ModelCard
from server.core.request import GenerationRequest
from server.engines.allowance import GenerationLimits
from server.engines.generation import generate
from server.engines.session import Mailbox
from server.formats.base import Format
from server.formats.harmony import gpt_oss_format
from server.formats.raw import EitherFormat
from server.formats.vocabulary import Vocabulary
from server.worker.messages import Accepted, Ended, EndReason, Grammar, Submit, Token
from server.worker.ports import Matcher
from server.worker.rules import Constraints, constraints_of
from server.worker.runtime.choice import ChoiceMatcher
from tests.contracts import check_answer
from tests.engines.models import limits
from tests.formats.vocabularies import spell, tiny_vocabulary

CARD = ModelCard(
    architecture="gpt-oss",
    description="a script",
    context_length=8192,
    training_context_length=8192,
    parameters=0,
    size_bytes=0,
    slots=1,
    vocabulary_size=tiny_vocabulary().size,
)


@cache
def text_format() -> EitherFormat:
    return gpt_oss_format(tiny_vocabulary(), lambda: date(2026, 11, 20))


class Script:
    """What a model would like to write in a turn. What it may not write it leaves out, what is
    written for it it does not write again; with nothing left it ends, or takes what it may.
    """

    def __init__(self, vocabulary: Vocabulary, text: str, end: int | None = None) -> None:
        self._vocabulary = vocabulary
        self._wishes = spell(vocabulary, text)
        self._end = vocabulary.special("<|return|>") if end is None else end
        self._at = 0

    def draw(self, constraints: Constraints | None) -> int:
        bounds = constraints.bounds() if constraints else None
        while self._at < len(self._wishes):
            wish = self._wishes[self._at]
            self._at += 1
            if bounds is None or not bounds.refuses(wish):
                return wish
        if bounds is None or not bounds.refuses(self._end):
            return self._end
        if bounds.matcher is None:
            return spell(self._vocabulary, "x")[0]
        return int(np.flatnonzero(bounds.matcher.mask())[-1])

    def forced(self, tokens: Sequence[int]) -> None:
        """These were written."""
        for token in tokens:
            if self._wishes[self._at : self._at + 1] != [token]:
                return
            self._at += 1


class ScriptedSession:
    """Plays a turn of the script to every submission (`engines.session.Session`). JSON of any
    schema is one of `values`; what was asked of the worker is in `submitted` and `halted`. With
    `speech` the model is another one than gpt-oss, and ends its turns with `end`.
    """

    def __init__(
        self,
        *texts: str,
        values: Sequence[str] = ("{}",),
        card: ModelCard = CARD,
        speech: tuple[Vocabulary, Format] | None = None,
        end: int | None = None,
    ) -> None:
        self.card = card
        self.vocabulary, self.format = speech or (tiny_vocabulary(), text_format())
        self.submitted: list[Submit] = []
        self.halted: list[int] = []
        self._values = values
        self._end = end
        self._scripts = [Script(self.vocabulary, text, end) for text in texts]
        self._ids = itertools.count(1)

    def next_id(self) -> int:
        return next(self._ids)

    def submit(self, command: Submit) -> Mailbox:
        self.submitted.append(command)
        assert len(command.prompt) + command.max_tokens <= self.card.context_length
        mailbox = Mailbox()
        mailbox.put(Accepted(id=command.id))
        tokens = list(self._generated(command))
        for token in tokens:
            mailbox.put(Token(id=command.id, token=token))
        reason: EndReason = "stop" if tokens[-1] in command.stop_ids else "length"
        mailbox.put(Ended(id=command.id, reason=reason, prompt_s=0.5, generation_s=0.25))
        return mailbox

    def halt(self, request: int) -> None:
        self.halted.append(request)

    def cancel(self, request: int) -> None:
        """Everything is said already."""

    def _generated(self, command: Submit) -> Iterator[int]:
        script = self._scripts.pop(0) if self._scripts else Script(self.vocabulary, "", self._end)
        constraints = constraints_of(command, self._matcher)
        room = command.max_tokens
        written = constraints.open(room) if constraints else []
        script.forced(written)
        while True:
            yield from written[:room]
            room -= len(written)
            if room <= 0 or (written and written[-1] in command.stop_ids):
                return
            token = script.draw(constraints)
            kept, forced = constraints.follow(token, room) if constraints else (True, [])
            script.forced(forced)
            written = [token] * kept + forced

    def _matcher(self, grammar: Grammar) -> Matcher:
        choices = grammar.choices
        if grammar.kind != "choice":
            choices = [spell(self.vocabulary, value) for value in self._values]
        return ChoiceMatcher(choices, self.vocabulary.size)


class ScriptedModel:
    """An engine (`core.ports.Engine`) of such sessions: every request gets the same texts."""

    def __init__(self, *texts: str, values: Sequence[str] = ("{}",)) -> None:
        self._texts = texts
        self._values = values
        self._threads = ThreadPoolExecutor(1)

    async def start(self) -> None: ...

    async def close(self) -> None:
        self._threads.shutdown()

    def status(self) -> EngineStatus:
        return EngineStatus(state="ready")

    def card(self) -> ModelCard:
        return CARD

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        session = ScriptedSession(*self._texts, values=self._values)
        stream = generate(session, request, limits(), self._threads)  # type: ignore[arg-type]
        async with aclosing(stream) as events:
            async for event in events:
                yield event


async def events_of(
    session: ScriptedSession, request: GenerationRequest, given: GenerationLimits | None = None
) -> list[Event]:
    """All events of an answer; they keep the contract."""
    with ThreadPoolExecutor(1) as threads:
        stream = generate(session, request, given or limits(), threads)  # type: ignore[arg-type]
        events = [event async for event in stream]
    check_answer(events)
    return events


async def answer_of(
    session: ScriptedSession, request: GenerationRequest, given: GenerationLimits | None = None
) -> Answer:
    events = await events_of(session, request, given)

    async def replay() -> AsyncIterator[Event]:
        for event in events:
            yield event

    return await collect(replay())
