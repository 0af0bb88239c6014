"""Prompts that were computed once, through real workers: by turns, by restarts, by owners."""

import asyncio
import os
import signal
from contextlib import aclosing
from pathlib import Path

import pytest

from server.core.errors import ServerError
from server.core.events import Answer, collect
from server.core.messages import AssistantMessage, Conversation, Instructions, Message, UserMessage
from server.core.request import GenerationRequest
from server.engines.local import LocalEngine
from server.worker.messages import ModelOptions, PrefixOptions
from tests.engines.models import GREEDY, StartEngine, limits, options

SYSTEM = Instructions(text="You are a helpful assistant. " + "Answer in one short sentence. " * 12)
QUESTION = UserMessage(text="What is your name?")


def keeping(folder: Path | str = "") -> ModelOptions:
    return options(
        prefixes=PrefixOptions(memory_bytes=64 << 20, folder=str(folder), disk_bytes=64 << 20)
    )


def request(*messages: Message, owner: str = "", **more: object) -> GenerationRequest:
    values = {"effort": "low", "sampling": GREEDY, "max_tokens": 20} | more
    conversation = Conversation(messages=messages)
    return GenerationRequest(id="r", prompt=conversation, owner=owner, **values)


async def ask(engine: LocalEngine, *messages: Message, **more: object) -> Answer:
    return await collect(engine.generate(request(*messages, **more)))


def cached(answer: Answer) -> int:
    return answer.finished.usage.cached_tokens


def prompt_tokens(answer: Answer) -> int:
    return answer.finished.usage.prompt_tokens


async def test_a_second_turn_has_the_earlier_prompt_cached(start_engine: StartEngine) -> None:
    engine = await start_engine(keeping())
    first = await ask(engine, SYSTEM, QUESTION)
    assert cached(first) == 0
    said = AssistantMessage(text=first.text or "I am a model.")
    second = await ask(engine, SYSTEM, QUESTION, said, UserMessage(text="And mine?"))
    # And what of its answer stands in the history as the model wrote it.
    assert cached(second) >= prompt_tokens(first)
    counters = engine.status().prefixes
    assert counters is not None
    assert (counters.slot_hits, counters.misses) == (1, 1)
    assert counters.tokens == cached(second)
    assert 0 < counters.memory_bytes < 64 << 20
    assert counters.disk_bytes == 0


async def test_answers_do_not_depend_on_what_is_cached(start_engine: StartEngine) -> None:
    engine = await start_engine(keeping())
    bare = await start_engine(options(prefixes=PrefixOptions(memory_bytes=0)))
    for _ in range(2):
        ours = await ask(engine, SYSTEM, QUESTION, max_tokens=60)
        theirs = await ask(bare, SYSTEM, QUESTION, max_tokens=60)
        assert (ours.text, ours.reasoning) == (theirs.text, theirs.reasoning)
        assert cached(theirs) == 0
    assert cached(ours) == prompt_tokens(ours) - 1


async def test_many_who_ask_at_once_compute_the_system_prompt_once(
    start_engine: StartEngine,
) -> None:
    engine = await start_engine(keeping())
    questions = [UserMessage(text=f"What is {n}+{n}?") for n in range(4)]
    answers = await asyncio.gather(*(ask(engine, SYSTEM, question) for question in questions))
    assert sorted(cached(answer) > 100 for answer in answers) == [False, True, True, True]


async def test_an_answer_cut_by_a_stop_string_tells_what_was_cached(
    start_engine: StartEngine,
) -> None:
    engine = await start_engine(keeping())
    long = UserMessage(text="Count from 1 to 200")
    whole = await ask(engine, long, max_tokens=300)
    cut = await ask(engine, long, max_tokens=300, stop=("12",))
    assert whole.text is not None
    assert "12" in whole.text
    assert cut.finished.reason == "stop"
    assert cached(cut) == prompt_tokens(cut) - 1
    assert cut.finished.timings.generation_s > 0


async def test_a_killed_worker_is_warm_again_from_disk(
    start_engine: StartEngine, tmp_path: Path
) -> None:
    engine = await start_engine(keeping(tmp_path), backoff_s=0.01)
    first = await ask(engine, SYSTEM, QUESTION)
    await written(engine)
    events = engine.generate(request(QUESTION, max_tokens=1000))
    async with aclosing(events):
        await anext(events)
        assert engine.worker_pid is not None
        os.kill(engine.worker_pid, signal.SIGKILL)
        with pytest.raises(ServerError, match="SIGKILL"):
            async for _ in events:
                pass
    again = await ask(engine, SYSTEM, QUESTION)
    assert cached(again) == prompt_tokens(first) - 1
    assert again.text == first.text
    counters = engine.status().prefixes
    assert counters is not None
    assert (counters.disk_hits, counters.memory_hits) == (1, 0)


async def written(engine: LocalEngine) -> None:
    """Until the worker has told that all is on disk: it tells with the next answers."""
    counters = None
    while counters is None or counters.disk_bytes < counters.memory_bytes:
        await ask(engine, UserMessage(text="Hi"))
        counters = engine.status().prefixes


async def test_a_restarted_engine_is_warm_from_disk(
    start_engine: StartEngine, tmp_path: Path
) -> None:
    engine = await start_engine(keeping(tmp_path))
    first = await ask(engine, SYSTEM, QUESTION)
    await engine.close()
    engine = await start_engine(keeping(tmp_path))
    other = await ask(engine, SYSTEM, UserMessage(text="Hello!"))
    assert 100 < cached(other) < prompt_tokens(first)
    again = await ask(engine, SYSTEM, QUESTION)
    assert cached(again) == prompt_tokens(first) - 1
    assert again.text == first.text


async def test_owners_do_not_see_each_others_prompts(start_engine: StartEngine) -> None:
    engine = await start_engine(keeping())
    told = [cached(await ask(engine, SYSTEM, QUESTION, owner=owner)) for owner in ("a", "b", "")]
    assert told == [0, 0, 0]
    assert cached(await ask(engine, SYSTEM, QUESTION, owner="a")) > 0


async def test_sharing_can_be_opened(start_engine: StartEngine) -> None:
    engine = await start_engine(keeping(), limits=limits(shared_prefixes=True))
    told = [cached(await ask(engine, SYSTEM, QUESTION, owner=owner)) for owner in ("a", "b")]
    assert told[0] == 0
    assert told[1] > 0
