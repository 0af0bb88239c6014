"""The local engine with real workers and real inference."""

import asyncio
import os
import signal
from contextlib import aclosing
from dataclasses import replace

import pytest

from server.core.errors import ServerError
from server.core.events import Answer, Event, PartDelta, Started, collect
from server.core.request import Sampling
from server.engines.local import LocalEngine
from tests.contracts import check_events
from tests.engines.models import StartEngine, asked, endless, limits, options
from tests.formats.vocabularies import tiny_vocabulary

LONG = "Count from 1 to 200"


async def answer(engine: LocalEngine, text: str, **more: object) -> Answer:
    return await collect(engine.generate(asked(text, **more)))


async def first_words(engine: LocalEngine) -> list[Event]:
    """The events up to the first text of an endless answer, which is then left."""
    seen = []
    async with aclosing(engine.generate(endless())) as events:
        async for event in events:
            seen.append(event)
            if isinstance(event, PartDelta):
                break
    return seen


async def kill_worker(engine: LocalEngine) -> None:
    assert engine.worker_pid is not None
    os.kill(engine.worker_pid, signal.SIGKILL)


async def test_an_answer_keeps_the_grammar_of_events(start_engine: StartEngine) -> None:
    engine = await start_engine()
    events = [event async for event in engine.generate(asked("Hello!", effort="medium"))]
    check_events(events)
    assert isinstance(events[0], Started)
    assert events[0].prompt_tokens > 20


async def test_usage_counts_every_token(start_engine: StartEngine) -> None:
    engine = await start_engine()
    whole = await answer(engine, "Hello!", effort="medium")
    assert whole.text
    assert whole.reasoning
    assert whole.finished.reason == "stop"
    usage = whole.finished.usage
    assert 0 < usage.reasoning_tokens < usage.completion_tokens
    assert whole.finished.timings.generation_s > 0


async def test_the_token_limit_cuts(start_engine: StartEngine) -> None:
    engine = await start_engine()
    whole = await answer(engine, LONG, max_tokens=30)
    assert whole.finished.reason == "length"
    assert whole.reasoning
    assert len(tiny_vocabulary().encode(whole.text or "")) == 30


async def test_a_budget_ends_the_reasoning(start_engine: StartEngine) -> None:
    engine = await start_engine()
    whole = await answer(engine, "Hello!", effort="high", reasoning_budget=10)
    assert whole.finished.usage.reasoning_tokens == 10
    assert whole.text
    none = await answer(engine, "Hello!", reasoning_budget=0)
    assert none.text
    assert (none.reasoning, none.finished.usage.reasoning_tokens) == (None, 0)


async def test_a_limit_that_fits_is_lowered_to_the_room(start_engine: StartEngine) -> None:
    engine = await start_engine(options(context=256))
    with pytest.raises(ServerError, match="may take 1000 more"):
        await answer(engine, LONG, max_tokens=1000)
    whole = await answer(engine, LONG, max_tokens=1000, fit=True)
    assert whole.finished.reason == "length"
    assert whole.finished.usage.total_tokens == 256


async def test_a_prompt_is_counted_without_an_answer(start_engine: StartEngine) -> None:
    engine = await start_engine()
    whole = await answer(engine, "Hello!", max_tokens=1)
    assert len(await engine.tokenize(asked("Hello!"))) == whole.finished.usage.prompt_tokens


async def test_a_stop_string_ends_the_answer_before_it(start_engine: StartEngine) -> None:
    engine = await start_engine()
    whole = await answer(engine, LONG, max_tokens=800, stop=("12",))
    assert whole.text is not None
    assert "11" in whole.text
    assert "12" not in whole.text
    assert whole.finished.reason == "stop"
    assert whole.finished.stop_string == "12"
    assert whole.finished.usage.completion_tokens < 200
    assert whole.finished.timings.generation_s > 0


async def test_answers_are_the_same_alone_and_in_company(start_engine: StartEngine) -> None:
    engine = await start_engine(options(slots=8))
    texts = [
        "Hello!",
        "¡Hola!",
        "Привет!",
        "Count to 20",
        "What is 2+2?",
        LONG,
        "Who are you?",
        "Hi",
    ]
    alone = [await answer(engine, text, max_tokens=300) for text in texts]
    company = await asyncio.gather(*(answer(engine, text, max_tokens=300) for text in texts))
    assert [a.text for a in company] == [a.text for a in alone]
    assert [a.reasoning for a in company] == [a.reasoning for a in alone]


async def test_a_seed_repeats_an_answer(start_engine: StartEngine) -> None:
    engine = await start_engine()
    sampling = Sampling(temperature=1.5, seed=7)
    first = await answer(engine, "Tell me a story", sampling=sampling)
    again = await answer(engine, "Tell me a story", sampling=sampling)
    assert (first.reasoning, first.text) == (again.reasoning, again.text)


async def test_logprobs_belong_to_the_visible_tokens(start_engine: StartEngine) -> None:
    engine = await start_engine()
    whole = await answer(engine, "Hello!", logprobs=3)
    assert whole.text is not None
    assert b"".join(token.token for token in whole.logprobs).decode() == whole.text
    for token in whole.logprobs:
        assert len(token.top) == 3
        assert token.top[0] == (token.token, pytest.approx(token.logprob))


async def test_leaving_frees_the_slot_at_once(start_engine: StartEngine) -> None:
    engine = await start_engine(options(slots=1))
    whole = await answer(engine, "Hello!")
    await first_words(engine)
    again = await answer(engine, "Hello!")
    assert again.text == whole.text
    # It did not wait for the 30,000 tokens of the one that left.
    assert again.finished.timings.queue_s < 0.5


async def test_a_full_queue_is_busy_and_says_when_to_come_back(start_engine: StartEngine) -> None:
    engine = await start_engine(options(slots=1, queue=1))
    running, waiting = engine.generate(endless()), engine.generate(endless())
    async with aclosing(running), aclosing(waiting):
        await anext(running)
        await anext(running)
        await anext(waiting)
        with pytest.raises(ServerError) as caught:
            await anext(engine.generate(asked("Hello!")))
    assert caught.value.kind == "busy"
    assert caught.value.retry_after


async def test_what_does_not_fit_is_refused_before_it_runs(start_engine: StartEngine) -> None:
    engine = await start_engine(options(context=256), limits=limits(max_input_tokens=200))
    for text, more in (("Hello!", {"max_tokens": 250}), ("word " * 210, {}), ("a b " * 400, {})):
        with pytest.raises(ServerError) as caught:
            await answer(engine, text, **more)
        assert caught.value.kind == "context_too_long"
        assert caught.value.param == "messages"


async def test_a_bias_on_an_unknown_token_is_refused(start_engine: StartEngine) -> None:
    engine = await start_engine()
    with pytest.raises(ServerError, match="vocabulary ends at"):
        await answer(engine, "Hello!", sampling=Sampling(logit_bias={999_999: 1.0}))


async def test_the_deadline_ends_a_request(start_engine: StartEngine) -> None:
    engine = await start_engine(limits=limits(timeout_s=0.001))
    with pytest.raises(ServerError) as caught:
        await collect(engine.generate(endless()))
    assert caught.value.kind == "timeout"


async def test_a_killed_worker_fails_its_requests_and_comes_back(start_engine: StartEngine) -> None:
    engine = await start_engine(backoff_s=0.01)
    before = await answer(engine, "Hello!")
    other = await start_engine()
    beside = asyncio.create_task(answer(other, LONG, max_tokens=800))
    events = engine.generate(endless())
    async with aclosing(events):
        await anext(events)
        await kill_worker(engine)
        with pytest.raises(ServerError) as caught:
            async for _ in events:
                pass
    assert caught.value.kind == "engine_failed"
    assert "SIGKILL" in caught.value.message
    # The next request waits for the new worker, and the neighbour never noticed.
    assert (await answer(engine, "Hello!")).text == before.text
    assert (await beside).finished.reason in ("stop", "length")


async def test_a_worker_that_is_stopped_is_ended_and_replaced(start_engine: StartEngine) -> None:
    engine = await start_engine(silence_limit_s=1.0)
    first = engine.worker_pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    with pytest.raises(ServerError, match="gave no sign of life") as caught:
        await answer(engine, "Hello!")
    assert "memory" not in caught.value.message
    assert (await answer(engine, "Hello!")).text
    assert engine.worker_pid != first


async def test_a_long_prompt_is_no_silence(start_engine: StartEngine) -> None:
    engine = await start_engine(silence_limit_s=0.5)
    first = engine.worker_pid
    whole = await answer(engine, "word " * 5_000, max_tokens=4)
    assert whole.finished.timings.prompt_s > 0.5
    assert engine.worker_pid == first
    assert engine.status().silence_s < 0.5


async def test_closing_ends_open_streams_with_an_error(start_engine: StartEngine) -> None:
    engine = await start_engine()
    events = engine.generate(endless())
    async with aclosing(events):
        await anext(events)
        await engine.close()
        with pytest.raises(ServerError, match="shutting down") as caught:
            async for _ in events:
                pass
    # Another process will answer: it is worth asking again.
    assert (caught.value.kind, caught.value.retry_after) == ("busy", 5.0)
    await engine.close()
    assert engine.status().state == "stopped"


async def test_a_request_waits_for_a_model_that_is_being_loaded(start_engine: StartEngine) -> None:
    engine = await start_engine(settle=False)
    assert engine.status().state == "loading"
    assert (await answer(engine, "Hello!")).text


async def test_a_request_that_waited_long_enough_is_told_to_come_back(
    start_engine: StartEngine,
) -> None:
    engine = await start_engine(settle=False, ready_wait_s=0.0)
    with pytest.raises(ServerError) as caught:
        await answer(engine, "Hello!")
    assert caught.value.kind == "loading"


async def test_the_card_tells_what_was_loaded(start_engine: StartEngine) -> None:
    engine = await start_engine(demonstration=True)
    card = engine.card()
    assert card is not None
    assert card.architecture == "gpt-oss"
    assert card.context_length == 32_768
    assert card.demonstration
    assert replace(card, demonstration=False) != card


@pytest.mark.parametrize("demonstration", [True, False])
async def test_a_vocabulary_that_is_not_gpt_oss_own_is_warned_of(
    start_engine: StartEngine, caplog: pytest.LogCaptureFixture, demonstration: bool
) -> None:
    await start_engine(demonstration=demonstration)
    assert ("is not gpt-oss's own" in caplog.text) is not demonstration


async def test_a_closed_engine_can_be_started_again(start_engine: StartEngine) -> None:
    engine = await start_engine()
    first = await collect(engine.generate(asked("Hello!")))
    await engine.close()
    with pytest.raises(ServerError, match="closed"):
        await collect(engine.generate(asked("Hello!")))
    await engine.start()
    assert (await engine.settled()).state == "ready"
    assert (await collect(engine.generate(asked("Hello!")))).text == first.text
