#!/usr/bin/env python3
"""Asks a server for thousands of mixed things and watches the resident memory of its processes.

    bench/soak.py                          # 2,000 requests, at most 10 minutes
    bench/soak.py --requests 500 --model small.gguf

Streams, whole replies, tools, long prompts, hang-ups and bad requests, eight at a time. Prints the
memory of gateway and worker over time; ends with status 1 when either grows.
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chat_client import Answer, Chat, ChatClient, ChatFailed
from load import WORDS
from processes import ROOT, HttpServer, Server, Setup

MODEL_NAME = "gpt-oss-20b"
USERS = 8
SAMPLE_EVERY = 20
# Caches fill and allocators settle first; then memory may waver, but not grow.
WARM_UP, WINDOW = 0.25, 0.2
GROWTH_MB, GROWTH_SHARE = 4.0, 0.03
# So little that the kept prompts reach it in the warm-up; filling it is no growth.
CACHES = {"PREFIX_CACHE_RAM": "16MiB", "PREFIX_CACHE_DISK": "16MiB"}
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
Ask = Callable[[ChatClient, int], Awaitable[str]]


@dataclass(frozen=True)
class Sample:
    """Resident memory after so many requests, in 10^6 bytes."""

    requests: int
    seconds: float
    gateway_mb: float
    worker_mb: float


@dataclass(frozen=True)
class Trend:
    """How memory went after the warm-up; megabytes, and those a thousand requests."""

    first_mb: float
    last_mb: float
    slope_mb: float

    @property
    def grows(self) -> bool:
        return self.last_mb - self.first_mb > max(GROWTH_MB, GROWTH_SHARE * self.first_mb)


def trend(requests: Sequence[int], megabytes: Sequence[float]) -> Trend:
    """Compares the medians of a window after the warm-up and of the last one."""
    start, width = int(WARM_UP * len(requests)), max(1, int(WINDOW * len(requests)))
    settled = megabytes[start:]
    slope = statistics.linear_regression(requests[start:], settled).slope
    return Trend(
        first_mb=statistics.median(settled[:width]),
        last_mb=statistics.median(settled[-width:]),
        slope_mb=1000 * slope,
    )


def said(number: int, words: int = 12) -> dict[str, str]:
    """Words that no other request has."""
    text = " ".join(random.Random(number).choices(WORDS, k=words))
    return {"role": "user", "content": f"{number} {text}"}


async def stream(client: ChatClient, number: int) -> str:
    system = {"role": "system", "content": "Be brief."}
    return _ended(await client.ask(Chat((system, said(number)), 32)))


async def long_prompt(client: ChatClient, number: int) -> str:
    return _ended(await client.ask(Chat((said(number, 400),), 8)))


async def plain(client: ChatClient, number: int) -> str:
    return await _posted(client, messages=[said(number)], max_tokens=24, temperature=1)


async def tools(client: ChatClient, number: int) -> str:
    question = {"role": "user", "content": f"What is the weather in city {number}?"}
    return await _posted(client, messages=[question], tools=[TOOL], max_tokens=48)


async def bad_field(client: ChatClient, number: int) -> str:
    return await _posted(client, messages=[said(number)], temperature=7)


async def unknown_model(client: ChatClient, number: int) -> str:
    return await _posted(client, messages=[said(number)], model="nobody")


async def too_long(client: ChatClient, number: int) -> str:
    return await _posted(client, messages=[said(number, 20_000)])


async def hang_up(client: ChatClient, number: int) -> str:
    """Leaves at the first text."""
    leaver = Leaver(0.0)
    try:
        await client.ask(Chat((said(number),), 400), leaver)
    except Left:
        return "left"
    return "ended before it could be left"


class Left(Exception):
    """The client went away."""


class Leaver(Answer):
    """An answer that is hung up on at once."""

    def hear(self, at: float) -> None:  # noqa: ARG002
        raise Left


def _ended(answer: Answer) -> str:
    return "200" if answer.tokens else "empty"


async def _posted(client: ChatClient, **fields: Any) -> str:
    return str(await client.post(fields))


# What each kind of request has to end in.
MIX: tuple[tuple[Ask, str], ...] = (
    (stream, "200"),
    (plain, "200"),
    (stream, "200"),
    (hang_up, "left"),
    (tools, "200"),
    (stream, "200"),
    (long_prompt, "200"),
    (plain, "200"),
    (bad_field, "400"),
    (hang_up, "left"),
    (stream, "200"),
    (unknown_model, "404"),
    (tools, "200"),
    (too_long, "400"),
)


class Soak:
    """Asks until `requests` are done or the time is up, and keeps samples and surprises."""

    def __init__(self, server: HttpServer, requests: int, seconds: float) -> None:
        self._server = server
        self._client = ChatClient(server.port, MODEL_NAME)
        self._numbers: Iterator[int] = iter(range(requests))
        self._started = time.monotonic()
        self._deadline = self._started + seconds
        self.done = 0
        self.samples: list[Sample] = []
        self.surprises: Counter[str] = Counter()

    async def run(self) -> None:
        await asyncio.gather(*(self._user() for _ in range(USERS)))

    async def _user(self) -> None:
        for number in self._numbers:
            ask, wanted = MIX[number % len(MIX)]
            try:
                outcome = await ask(self._client, number)
            except (ChatFailed, OSError) as error:
                outcome = f"{type(error).__name__}: {error}"
            if outcome != wanted:
                self.surprises[f"{ask.__name__}: {outcome[:120]}"] += 1
            self._count()
            if time.monotonic() > self._deadline:
                return

    def _count(self) -> None:
        self.done += 1
        if self.done % SAMPLE_EVERY == 0:
            seconds = time.monotonic() - self._started
            memory = (self._server.resident_mb(), self._server.children_mb())
            self.samples.append(Sample(self.done, seconds, *memory))


def show(soak: Soak) -> bool:
    """Prints what was seen; whether memory stayed flat and nothing was surprising."""
    print(f"{'requests':>8} {'seconds':>8} {'gateway MB':>11} {'worker MB':>10}")
    for sample in itertools.islice(soak.samples, 0, None, max(1, len(soak.samples) // 20)):
        memory = f"{sample.gateway_mb:11.1f} {sample.worker_mb:10.1f}"
        print(f"{sample.requests:8} {sample.seconds:8.1f} {memory}")
    requests = [sample.requests for sample in soak.samples]
    trends = {
        "gateway": trend(requests, [sample.gateway_mb for sample in soak.samples]),
        "worker": trend(requests, [sample.worker_mb for sample in soak.samples]),
    }
    for name, seen in trends.items():
        verdict = "GROWS" if seen.grows else "flat"
        print(
            f"{name}: {seen.first_mb:.1f} MB after the warm-up, {seen.last_mb:.1f} MB at the end, "
            f"{seen.slope_mb:+.2f} MB a thousand requests: {verdict}"
        )
    for surprise, count in soak.surprises.most_common():
        print(f"{count} x {surprise}")
    print(f"{soak.done} requests, {sum(soak.surprises.values())} of them with a wrong ending")
    return not soak.surprises and not any(seen.grows for seen in trends.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "gpt-oss-tiny.gguf")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=10.0)
    args = parser.parse_args()
    setup = Setup(args.model.resolve(), threads=len(os.sched_getaffinity(0)))
    with (
        tempfile.TemporaryDirectory(prefix="gpt-api-soak-") as state,
        Server.of(setup, Path(state), **CACHES) as server,
    ):
        soak = Soak(server, args.requests, 60 * args.minutes)
        asyncio.run(soak.run())
        good = show(soak)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
