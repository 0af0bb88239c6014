#!/usr/bin/env python3
"""Loads a running OpenAI-compatible chat server and prints what its clients saw, a line of JSON a
scenario.

    bench/load.py --port 8000 [--key sk-...] [--model NAME] [--only single,conc4]

Lengths are in tokens of the server's own model. No two scenarios share text.
"""

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise

from chat_client import Answer, Chat, ChatClient, ChatFailed

WORDS = """
time year people way day man thing woman life child world school state family student
group country problem hand part place case week company system program question work number
night point home water room mother area money story fact month lot right study book
eye job word business issue side kind head house service friend father power hour game
line
""".split()  # noqa: SIM905 - a line a word would hide the program
# In tokens. On top of every prompt come the 60 to 120 that the system message takes.
SINGLE_PROMPT, SINGLE_TOKENS = 512, 64
CONC_PROMPT, CONC_TOKENS = 48, 48
SYSTEM_PROMPT, QUESTION, SHARED_TOKENS, SHARED_USERS = 400, 16, 16, 4
TURN_SYSTEM, TURN_QUESTION, TURN_TOKENS = 200, 40, 24
LATE_PROMPT, LATE_TOKENS, ENDLESS_TOKENS, RUNNING = 500, 4, 500, 8
KNOWN_PROMPT = 800
OVERHEAD_TOKENS, OVERHEAD_USERS = 200, 16


@dataclass(frozen=True)
class Summary:
    """What the clients of one scenario saw; seconds, and tokens as the server counted them."""

    chats: int
    span_s: float
    prompt_tokens: int
    cached_tokens: int
    output_tokens: int
    output_per_s: float
    first_median_s: float
    first_max_s: float
    gap_median_s: float
    gap_max_s: float


@dataclass
class Runner(Answer):
    """An answer that says when it is well under way, or over."""

    running: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, at: float) -> None:
        super().hear(at)
        if len(self.arrivals) == RUNNING:
            self.running.set()

    def leave(self, _task: object) -> None:
        self.running.set()


def summarise(answers: Sequence[Answer]) -> Summary:
    """One summary of chats that ran together."""
    span = max(a.ended for a in answers) - min(a.started for a in answers)
    first = [a.first_s for a in answers]
    gaps = [later - earlier for a in answers for earlier, later in pairwise(a.arrivals)]
    produced = sum(a.tokens for a in answers)
    return Summary(
        chats=len(answers),
        span_s=span,
        prompt_tokens=sum(a.prompt_tokens for a in answers),
        cached_tokens=sum(a.cached_tokens for a in answers),
        output_tokens=produced,
        output_per_s=produced / span,
        first_median_s=statistics.median(first),
        first_max_s=max(first),
        gap_median_s=statistics.median(gaps) if gaps else 0.0,
        gap_max_s=max(gaps, default=0.0),
    )


class Prompts:
    """Texts of a wanted number of tokens. The same salt and name give the same text: two servers
    are asked the same, and a new salt is new to every cache.
    """

    def __init__(self, salt: str, tokens_a_word: float = 1.0) -> None:
        self._salt = salt
        self._tokens_a_word = tokens_a_word

    def text(self, tokens: int, name: str) -> str:
        rng = random.Random(f"{self._salt}/{name}")
        return " ".join(rng.choices(WORDS, k=max(4, round(tokens / self._tokens_a_word))))

    def user(self, tokens: int, name: str) -> dict[str, str]:
        return {"role": "user", "content": self.text(tokens, name)}

    def system(self, tokens: int, name: str) -> dict[str, str]:
        return {"role": "system", "content": self.text(tokens, name)}


async def tokens_a_word(client: ChatClient) -> float:
    """How the server's model counts the words here."""
    few, many = 10, 110
    counts = []
    for words in (few, many):
        text = " ".join(random.Random(0).choices(WORDS, k=words))
        answer = await client.ask(Chat(({"role": "user", "content": text},), 4))
        counts.append(answer.prompt_tokens)
    return (counts[1] - counts[0]) / (many - few)


Scenario = Callable[[ChatClient, Prompts], Awaitable[dict[str, Summary]]]


async def single(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """One chat: the speed of prompt and generation as a client sees it."""
    chat = Chat((prompts.user(SINGLE_PROMPT, "single"),), SINGLE_TOKENS)
    return {"single": summarise([await client.ask(chat)])}


async def conc4(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """Four different chats at once."""
    return {"conc4": await _together(client, prompts, "conc4", 4, CONC_TOKENS)}


async def conc16(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """Sixteen different chats at once."""
    return {"conc16": await _together(client, prompts, "conc16", 16, CONC_TOKENS)}


async def overhead(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """Sixteen chats on a model so fast that HTTP shows."""
    tokens = OVERHEAD_TOKENS
    return {"overhead": await _together(client, prompts, "overhead", OVERHEAD_USERS, tokens)}


async def shared(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """Four users behind one system prompt: never seen, then known with new questions."""
    system = prompts.system(SYSTEM_PROMPT, "shared")
    results = {}
    for name in ("shared_cold", "shared_warm"):
        questions = [prompts.user(QUESTION, f"{name}{n}") for n in range(SHARED_USERS)]
        chats = (client.ask(Chat((system, q), SHARED_TOKENS)) for q in questions)
        results[name] = summarise(await asyncio.gather(*chats))
    return results


async def turns(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """Three turns of one chat."""
    messages = [prompts.system(TURN_SYSTEM, "turns")]
    results = {}
    for turn in (1, 2, 3):
        messages.append(prompts.user(TURN_QUESTION, f"turn{turn}"))
        answer = await client.ask(Chat(tuple(messages), TURN_TOKENS))
        # Not what was answered: servers count its tokens differently, and prompts must be alike.
        said = prompts.text(TURN_TOKENS, f"reply{turn}")
        messages.append({"role": "assistant", "content": said})
        results[f"turn{turn}"] = summarise([answer])
    return results


async def mixed(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """Two chats run; a long prompt arrives. What they suffer until its first text, and it waits.

    The runners are hung up on afterwards: how long they would go on is no part of this.
    """
    runners = [Runner(0.0), Runner(0.0)]
    tasks = []
    for index, runner in enumerate(runners):
        chat = Chat((prompts.user(QUESTION, f"runner{index}"),), ENDLESS_TOKENS)
        tasks.append(asyncio.create_task(client.ask(chat, runner)))
        tasks[-1].add_done_callback(runner.leave)
    for runner in runners:
        await runner.running.wait()
    late = await client.ask(Chat((prompts.user(LATE_PROMPT, "late"),), LATE_TOKENS))
    for task in tasks:
        if task.done():
            raise ChatFailed("a running answer ended before the late one") from task.exception()
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return {"mixed_latecomer": summarise([late]), "mixed_runners": _during(runners, late)}


async def known(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """A long system prompt that is new."""
    return {"known": await _behind_known(client, prompts, "first question")}


async def recalled(client: ChatClient, prompts: Prompts) -> dict[str, Summary]:
    """Another question behind it: what the server kept, over a restart if there was one."""
    return {"recalled": await _behind_known(client, prompts, "second question")}


SCENARIOS: dict[str, Scenario] = {
    function.__name__: function
    for function in (single, conc4, conc16, overhead, shared, turns, mixed, known, recalled)
}


async def _together(
    client: ChatClient, prompts: Prompts, name: str, users: int, tokens: int
) -> Summary:
    chats = (Chat((prompts.user(CONC_PROMPT, f"{name}{n}"),), tokens) for n in range(users))
    return summarise(await asyncio.gather(*(client.ask(chat) for chat in chats)))


async def _behind_known(client: ChatClient, prompts: Prompts, question: str) -> Summary:
    system = prompts.system(KNOWN_PROMPT, "known")
    chat = Chat((system, prompts.user(QUESTION, question)), SHARED_TOKENS)
    return summarise([await client.ask(chat)])


def _during(runners: Sequence[Answer], late: Answer) -> Summary:
    """The runners between the latecomer's arrival and its first text, and the pause across that."""
    answers = []
    for runner in runners:
        before = [at for at in runner.arrivals if at <= late.started][-1:]
        inside = [at for at in runner.arrivals if late.started < at <= late.arrivals[0]]
        after = [at for at in runner.arrivals if at > late.arrivals[0]][:1]
        answers.append(
            Answer(
                started=before[0],
                ended=late.arrivals[0],
                arrivals=[*before, *inside, *after],
                usage={"prompt_tokens": 0, "completion_tokens": len(inside)},
            )
        )
    return summarise(answers)


async def run(client: ChatClient, prompts: Prompts, names: Sequence[str]) -> dict[str, Summary]:
    """These scenarios one after another, warm-up first; a scenario may bring several summaries."""
    await client.ask(Chat((prompts.user(QUESTION, "warm-up"),), SHARED_TOKENS))
    results: dict[str, Summary] = {}
    for name in names:
        results |= await SCENARIOS[name](client, prompts)
    return results


async def measure(client: ChatClient, names: Sequence[str]) -> None:
    prompts = Prompts(str(time.time()), await tokens_a_word(client))
    for name, summary in (await run(client, prompts, names)).items():
        print(json.dumps({"scenario": name, **asdict(summary)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--key", default="none")
    parser.add_argument("--model", default="gpt-oss-20b")
    parser.add_argument("--only", default=",".join(SCENARIOS), help="names, comma-separated")
    args = parser.parse_args()
    client = ChatClient(args.port, args.model, args.key)
    asyncio.run(measure(client, args.only.split(",")))


if __name__ == "__main__":
    main()
