"""The local embedder with real workers and a real, if small, BERT."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from gguf import PoolingType

from server.core.embeddings import EmbeddingRequest, Embeddings, Input
from server.core.errors import ServerError
from server.engines.embedder import EmbedderSetup, LocalEmbedder
from tests.bert import Bert, embedder_options, word_ids
from tests.engines.models import TINY

BERT = Bert()
Start = Callable[..., Awaitable[LocalEmbedder]]
# Inputs that take the small model a while.
MANY = ("the dog sat on the mat",) * 2000


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts embedders with real workers and closes them after the test."""
    async with AsyncExitStack() as stack:

        async def start_one(
            path: Path | None = None, *, queue: int = 4, **more: object
        ) -> LocalEmbedder:
            path = path or BERT.write(tmp_path / "bert.gguf", PoolingType.MEAN)
            model = embedder_options(path, queue_limit=queue)
            embedder = LocalEmbedder(EmbedderSetup(name="bert", model=model, **more))
            await embedder.start()
            stack.push_async_callback(embedder.close)
            await embedder.settled()
            return embedder

        yield start_one


async def refusal(embedder: LocalEmbedder, *inputs: Input, **more: object) -> ServerError:
    with pytest.raises(ServerError) as caught:
        await embedder.embed(EmbeddingRequest(inputs=inputs, **more))
    return caught.value


async def inside(embedder: LocalEmbedder, *many: tuple[str, ...]) -> list[asyncio.Task[Embeddings]]:
    """Requests that the worker has accepted and is busy with."""
    tasks = [
        asyncio.create_task(embedder.embed(EmbeddingRequest(inputs=inputs))) for inputs in many
    ]
    # A request there and back gives them the time to be sent; one that was sent after them is
    # answered after they were accepted. This one never comes in: its token is of no vocabulary.
    for _ in range(2):
        await refusal(embedder, (1_000_000,))
    return tasks


def numbers(answer: Embeddings) -> list[np.ndarray]:
    return [np.frombuffer(each, "<f4") for each in answer.vectors]


async def test_vectors_and_tokens(start: Start) -> None:
    embedder = await start()
    tokens = tuple(word_ids("cat"))
    answer = await embedder.embed(EmbeddingRequest(inputs=("The cat sat", tokens)))
    assert answer.tokens == (5, 3)
    assert answer.total_tokens == 8
    first, second = numbers(answer)
    assert first @ BERT.embed(word_ids("the", "cat", "sat"), PoolingType.MEAN) > 0.9999
    assert second @ BERT.embed(list(tokens), PoolingType.MEAN) > 0.9999
    status = embedder.status()
    assert (status.state, status.running) == ("ready", 0)


async def test_many_requests_at_once_are_told_apart(start: Start) -> None:
    embedder = await start(queue=20)
    words = ("cat", "dog", "river", "bank", "money", "мир")
    answers = await asyncio.gather(
        *(embedder.embed(EmbeddingRequest(inputs=(word, f"the {word}"))) for word in words)
    )
    for word, answer in zip(words, answers, strict=True):
        lone, pair = numbers(answer)
        assert lone @ BERT.embed(word_ids(word), PoolingType.MEAN) > 0.9999
        assert pair @ BERT.embed(word_ids("the", word), PoolingType.MEAN) > 0.9999


async def test_the_card_tells_what_was_loaded(start: Start) -> None:
    card = (await start()).card()
    assert card is not None
    assert (card.architecture, card.embedding_length) == ("bert", BERT.width)
    assert card.extra == {"pooling": "mean"}


async def test_dimensions_are_cut_only_where_the_operator_says_so(start: Start) -> None:
    embedder = await start()
    refused = await refusal(embedder, "cat", dimensions=8)
    assert (refused.kind, refused.param) == ("invalid", "dimensions")
    assert "EMBEDDING_MATRYOSHKA=1" in refused.message
    # All of them is no cut.
    (whole,) = numbers(await embedder.embed(EmbeddingRequest(inputs=("cat",), dimensions=32)))
    shortening = await start(shortens=True)
    (short,) = numbers(await shortening.embed(EmbeddingRequest(inputs=("cat",), dimensions=8)))
    assert short == pytest.approx(whole[:8] / np.linalg.norm(whole[:8]), abs=1e-5)
    assert "have 32 numbers" in (await refusal(shortening, "cat", dimensions=33)).message


async def test_what_is_too_long_is_refused_or_cut(start: Start) -> None:
    embedder = await start()
    refused = await refusal(embedder, "cat", "cat " * 600)
    assert (refused.kind, refused.param) == ("context_too_long", "input")
    assert "input[1] has 602 tokens" in refused.message
    request = EmbeddingRequest(inputs=("cat " * 600,), truncate=True)
    assert (await embedder.embed(request)).tokens == (512,)


async def test_a_full_queue_is_busy_and_a_cancelled_request_makes_room(start: Start) -> None:
    embedder = await start(queue=0)
    (running,) = await inside(embedder, MANY)
    refused = await refusal(embedder, "cat")
    assert refused.kind == "busy"
    assert refused.param is None
    assert refused.retry_after
    assert embedder.status().running == 1
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert embedder.status().running == 0
    assert (await embedder.embed(EmbeddingRequest(inputs=("cat",)))).tokens == (3,)


async def test_the_deadline_ends_a_request(start: Start) -> None:
    embedder = await start(timeout_s=0.001)
    refused = await refusal(embedder, *MANY)
    assert refused.kind == "timeout"
    assert embedder.status().running == 0


async def test_a_killed_worker_fails_its_requests_and_comes_back(start: Start) -> None:
    embedder = await start(backoff_s=0.01)
    before = await embedder.embed(EmbeddingRequest(inputs=("cat",)))
    asked = await inside(embedder, MANY, MANY[:1000])
    assert embedder.worker_pid is not None
    os.kill(embedder.worker_pid, signal.SIGKILL)
    for task in asked:
        with pytest.raises(ServerError, match="SIGKILL") as caught:
            await task
        assert caught.value.kind == "engine_failed"
    # The next request waits for the new worker.
    assert await embedder.embed(EmbeddingRequest(inputs=("cat",))) == before


async def test_closing_ends_open_requests_with_an_error(start: Start) -> None:
    embedder = await start()
    (asked,) = await inside(embedder, MANY)
    await embedder.close()
    with pytest.raises(ServerError, match="shutting down"):
        await asked
    await embedder.close()
    assert embedder.status().state == "stopped"


async def test_a_model_that_makes_no_embeddings_fails_with_its_reason(start: Start) -> None:
    embedder = await start(TINY)
    assert embedder.status().state == "failed"
    assert embedder.card() is None
    refused = await refusal(embedder, "cat")
    assert refused.kind == "engine_failed"
    assert "not meant for embeddings" in refused.message


async def test_a_model_is_brought_here_first(tmp_path: Path) -> None:
    come = asyncio.Event()

    async def obtain(say: Callable[[str], None]) -> str:
        say("on its way")
        await come.wait()
        return str(BERT.write(tmp_path / "brought.gguf", PoolingType.MEAN))

    model = embedder_options(tmp_path / "nowhere.gguf")
    embedder = LocalEmbedder(EmbedderSetup(name="bert", model=model), obtain)
    await embedder.start()
    try:
        # It is not waited for: downloads take minutes.
        assert (await refusal(embedder, "cat")).kind == "loading"
        come.set()
        assert (await embedder.settled()).state == "ready"
        assert (await embedder.embed(EmbeddingRequest(inputs=("cat",)))).tokens == (3,)
    finally:
        await embedder.close()
