"""Plays a golden transcript: its request and events, through the dialect, into lines and a body."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from server.core import events
from server.core.events import Answer, Event, Timings, TokenLogprob, Usage, collect
from tests.dialects.asking import call


def transcript(golden: dict[str, Any]) -> tuple[list[str], str]:
    """The data of every server-sent event, and the whole body."""
    asked = call(golden["request"])
    arrivals = [(index, event_of(event)) for index, event in golden["events"]]
    stream = b"".join(asked.reply.frames(index, event) for index, event in arrivals)
    frames = (stream + asked.reply.end()).decode().split("\n\n")
    assert frames.pop() == ""
    assert all(frame.startswith("data: ") for frame in frames)
    choices = range(len(asked.requests))
    answers = [answer_of([e for index, e in arrivals if index == choice]) for choice in choices]
    return [frame.removeprefix("data: ") for frame in frames], asked.reply.body(answers).decode()


def event_of(written: dict[str, Any]) -> Event:
    """`{"PartDelta": {"text": "a"}}` as an event."""
    ((name, values),) = written.items()
    if "usage" in values:
        values = {**values, "usage": Usage(**values["usage"])}
    if "timings" in values:
        values = {**values, "timings": Timings(**values["timings"])}
    if "logprobs" in values:
        values = {**values, "logprobs": tuple(map(_logprob, values["logprobs"]))}
    event: Event = getattr(events, name)(**values)
    return event


def answer_of(played: Sequence[Event]) -> Answer:
    async def play() -> AsyncIterator[Event]:
        for event in played:
            yield event

    return asyncio.run(collect(play()))


def _logprob(written: dict[str, Any]) -> TokenLogprob:
    top = tuple((bytes(token), logprob) for token, logprob in written["top"])
    return TokenLogprob(token=bytes(written["token"]), logprob=written["logprob"], top=top)
