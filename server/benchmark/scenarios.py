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
# In tokens; where a machine is slow, less: a few rounds have to fit into the time.
LONG_PROMPT, SHORT_PROMPT = 256, 24
ALONE_TOKENS, TOGETHER_TOKENS = 32, 24
LEAST_PROMPT, LEAST_TOKENS = 64, 8
LEAST_ROUNDS, MOST_ROUNDS = 2, 7
# Not even that many, once so many times the time is spent.
OVERTIME = 2


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
    """Texts of about so many tokens, no two of which begin alike. `tokens_per_s`: how fast they are
    read, at a guess.
    """

    def __init__(self, tokens_a_word: float, tokens_per_s: float) -> None:
        self._tokens_a_word = tokens_a_word
        self.tokens_per_s = tokens_per_s
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
        self._alone_per_s = 0.0

    async def run(self) -> Speeds:
        before, began = _activity(), time.perf_counter()
        self._say("reading prompts")
        prompt = await rounds(self._prompt, self._plan.seconds)
        self._say("one answer alone")
        alone = await rounds(self._alone, self._plan.seconds)
        self._alone_per_s = alone.median
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
        fitting = fit(self._prompts.tokens_per_s, self._plan.seconds, LEAST_PROMPT, LONG_PROMPT)
        tokens = min(fitting, self._plan.context_length // 2)
        return (await self._ask(tokens, 1)).prompt_per_s

    async def _alone(self) -> float:
        reading = await self._ask(SHORT_PROMPT, ALONE_TOKENS)
        self._first.append(reading.first_s)
        return reading.tokens_per_s

    async def _together(self) -> float:
        # At worst they share the speed of one.
        rate = self._alone_per_s / self._plan.streams
        tokens = fit(rate, self._plan.seconds, LEAST_TOKENS, TOGETHER_TOKENS)
        answers = (self._ask(SHORT_PROMPT, tokens) for _ in range(self._plan.streams))
        return together_per_s(await asyncio.gather(*answers))

    async def _ask(self, prompt: int, tokens: int) -> Reading:
        reading = await self._target.write(self._prompts.text(prompt), tokens)
        self._tokens += reading.tokens
        return reading


async def measure(target: Target, plan: Plan, say: Callable[[str], None]) -> Speeds:
    """Warm up, then measure all. Errors: Failure."""
    say("warming up")
    prompts = await _prompts(target)
    return await Measuring(target, plan, prompts, say).run()


async def rounds(measured: Callable[[], Awaitable[float]], seconds: float) -> Rounds:
    """So many as fit into the time, about."""
    began, values = time.perf_counter(), list[float]()
    while len(values) < MOST_ROUNDS:
        spent = time.perf_counter() - began
        a_round = spent / len(values) if values else 0.0
        enough = seconds if len(values) >= LEAST_ROUNDS else OVERTIME * seconds
        if values and spent + a_round > enough:
            break
        values.append(await measured())
    return Rounds(values=tuple(values))


def fit(tokens_per_s: float, seconds: float, least: int, most: int) -> int:
    """How many tokens to take, so that three rounds fit into the time."""
    return max(least, min(most, int(tokens_per_s * seconds / 3)))


async def _prompts(target: Target) -> Prompts:
    """How the model counts words, and about how fast it reads them."""
    few, many = 8, 40
    readings = []
    for words in (few, many):
        text = " ".join(random.Random(0).choices(VOCABULARY.split(), k=words))
        readings.append(await target.write(text, 2))
    counts = [reading.prompt_tokens for reading in readings]
    return Prompts((counts[1] - counts[0]) / (many - few), readings[1].prompt_per_s)


def _activity() -> Activity:
    return Activity.look(os.sysconf("SC_CLK_TCK"))
