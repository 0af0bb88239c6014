"""A session whose model is a script, obeying the worker's own rules: what the bundled model would
hardly ever write can be seen through the whole gateway.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache

from server.core.events import Answer, Event, collect
from server.core.ports import ModelCard
from server.core.request import GenerationRequest
from server.engines.allowance import GenerationLimits
from server.engines.generation import generate
from server.engines.session import Mailbox
from server.formats.harmony import HarmonyFormat
from server.formats.vocabulary import Vocabulary
from server.worker.messages import Accepted, Ended, EndReason, Grammar, Submit, Token
from server.worker.rules import Constraints, constraints_of
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
_TOKEN = re.compile(r"<\[(\d+)\]>")


@cache
def harmony_format() -> HarmonyFormat:
    return HarmonyFormat(tiny_vocabulary(), lambda: date(2026, 11, 20))


class ListedTexts:
    """A grammar of a few sequences of ids (`worker.ports.Matcher`)."""

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        self._left = [list(sequence) for sequence in sequences]

    def allows(self, token: int) -> bool:
        return any(left[:1] == [token] for left in self._left)

    def mask(self) -> list[int]:
        return sorted({left[0] for left in self._left if left})

    def accept(self, token: int) -> None:
        self._left = [left[1:] for left in self._left if left[:1] == [token]]

    @property
    def may_end(self) -> bool:
        return [] in self._left

    @property
    def must_end(self) -> bool:
        return self._left == [[]]


class Script:
    """What a model would like to write. What it may not write it leaves out; with nothing left it
    takes the last thing that it may, or ends.
    """

    def __init__(self, vocabulary: Vocabulary, *texts: str) -> None:
        self._vocabulary = vocabulary
        self._turns = [spell(vocabulary, text) for text in texts]

    def turn(self) -> Callable[[Constraints | None], int]:
        wishes = iter(self._turns.pop(0) if self._turns else ())
        end = self._vocabulary.special("<|return|>")

        def draw(constraints: Constraints | None) -> int:
            bounds = constraints.bounds() if constraints else None
            for wish in wishes:
                if bounds is None or not bounds.refuses(wish):
                    return wish
            if bounds is None or not bounds.refuses(end):
                return end
            if bounds.matcher is None:
                return spell(self._vocabulary, "x")[0]
            return bounds.matcher.mask()[-1]

        return draw


class ScriptedSession:
    """Plays a turn of the script to every submission (`engines.session.Session`). JSON of any
    schema is one of `values`; what was asked of the worker is in `submitted` and `halted`.
    """

    def __init__(
        self, *texts: str, values: Sequence[str] = ("{}",), card: ModelCard = CARD
    ) -> None:
        self.card = card
        self.vocabulary = tiny_vocabulary()
        self.format = harmony_format()
        self.submitted: list[Submit] = []
        self.halted: list[int] = []
        self._values = values
        self._script = Script(self.vocabulary, *texts)
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
        draw = self._script.turn()
        constraints = constraints_of(command, self._matcher)
        room = command.max_tokens
        for token in constraints.open(room) if constraints else ():
            yield token
            room -= 1
        while room:
            token = draw(constraints)
            kept, forced = constraints.follow(token, room) if constraints else (True, [])
            written = [token] * kept + forced
            yield from written[:room]
            room -= len(written[:room])
            if written and written[-1] in command.stop_ids:
                return

    def _matcher(self, grammar: Grammar) -> ListedTexts:
        if grammar.kind == "gbnf":
            texts = grammar.text.partition("(")[2].rpartition(")")[0].split("|")
            optional = [[]] if grammar.text.endswith("?") else []
            return ListedTexts([*([int(i) for i in _TOKEN.findall(t)] for t in texts), *optional])
        return ListedTexts([spell(self.vocabulary, value) for value in self._values])


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

    async def replay():
        for event in events:
            yield event

    return await collect(replay())
