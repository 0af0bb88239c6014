"""The measurements in their order, each as often as its time allows: reading a prompt, one answer
alone, several at once. Knows no machine and no server.
"""

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from server.benchmark.figures import Reading, Rounds, Speeds, together_per_s
from server.benchmark.targets import Target
from server.machine import Activity

VOCABULARY = (
    "time year people way day man thing woman life child world school state family student group"
    " country problem hand part place case week company system program question work number night"
    " point home water room mother area money story fact month lot right study book eye job word"
    " business issue side kind head house service friend father power hour game line"
)
# In tokens.
LONG_PROMPT, SHORT_PROMPT = 256, 24
ALONE_TOKENS, TOGETHER_TOKENS = 32, 24
LEAST_ROUNDS, MOST_ROUNDS = 2, 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`seconds` for each of the three measurements, about; `streams` answers at once. `threads`:
    what computes.
    """

    seconds: float
    streams: int
    context_length: int
    threads: int


class Prompts:
    """Texts of about so many tokens, no two of which begin alike."""

    def __init__(self, tokens_a_word: float) -> None:
        self._tokens_a_word = tokens_a_word
        self._random = random.Random()
        self._words = VOCABULARY.split()

    def text(self, tokens: int) -> str:
        count = max(2, round(tokens / self._tokens_a_word))
        return " ".join(self._random.choices(self._words, k=count))


class Measuring:
    """One run against one target; `say` hears what is being done."""

    def __init__(
        self, target: Target, plan: Plan, prompts: Prompts, say: Callable[[str], None]
    ) -> None:
        self._target = target
        self._plan = plan
        self._prompts = prompts
        self._say = say
        self._tokens = 0
        self._first: list[float] = []

    async def run(self) -> Speeds:
        before, began = _activity(), time.perf_counter()
        self._say("reading prompts")
        prompt = await rounds(self._prompt, self._plan.seconds)
        self._say("one answer alone")
        alone = await rounds(self._alone, self._plan.seconds)
        together = None
        if self._plan.streams > 1:
            self._say(f"{self._plan.streams} answers at once")
            together = await rounds(self._together, self._plan.seconds)
        return Speeds(
            prompt=prompt,
            alone=alone,
            together=together,
            first_s=Rounds(values=tuple(self._first)),
            streams=self._plan.streams,
            tokens=self._tokens,
            seconds=time.perf_counter() - began,
            activity=_activity().since(before),
        )

    async def _prompt(self) -> float:
        tokens = min(LONG_PROMPT, self._plan.context_length // 2)
        return (await self._ask(tokens, 1)).prompt_per_s

    async def _alone(self) -> float:
        reading = await self._ask(SHORT_PROMPT, ALONE_TOKENS)
        self._first.append(reading.first_s)
        return reading.tokens_per_s

    async def _together(self) -> float:
        answers = (self._ask(SHORT_PROMPT, TOGETHER_TOKENS) for _ in range(self._plan.streams))
        return together_per_s(await asyncio.gather(*answers))

    async def _ask(self, prompt: int, tokens: int) -> Reading:
        reading = await self._target.write(self._prompts.text(prompt), tokens)
        self._tokens += reading.tokens
        return reading


async def measure(target: Target, plan: Plan, say: Callable[[str], None]) -> Speeds:
    """Warm up, then measure all. Errors: Failure."""
    say("warming up")
    prompts = Prompts(await _tokens_a_word(target))
    return await Measuring(target, plan, prompts, say).run()


async def rounds(measured: Callable[[], Awaitable[float]], seconds: float) -> Rounds:
    """So many as fit into the time, about."""
    began, values = time.perf_counter(), list[float]()
    while len(values) < MOST_ROUNDS:
        spent = time.perf_counter() - began
        a_round = spent / len(values) if values else 0.0
        if len(values) >= LEAST_ROUNDS and spent + a_round > seconds:
            break
        values.append(await measured())
    return Rounds(values=tuple(values))


async def _tokens_a_word(target: Target) -> float:
    few, many = 8, 40
    counts = []
    for words in (few, many):
        text = " ".join(random.Random(0).choices(VOCABULARY.split(), k=words))
        counts.append((await target.write(text, 2)).prompt_tokens)
    return (counts[1] - counts[0]) / (many - few)


def _activity() -> Activity:
    return Activity.look(os.sysconf("SC_CLK_TCK"))
