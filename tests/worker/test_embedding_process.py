"""The real process that makes embeddings, fed as a gateway feeds it."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gguf import PoolingType

from server.worker.embedding.messages import Embed, Embedded, EmbedderLoaded, EmbedderOptions
from server.worker.messages import Accepted, Cancel, Close, LoadFailed, LoadProgress, Refused
from server.worker.wire import Report
from tests.bert import Bert, embedder_options, word_ids
from tests.gguf_copies import write_copy
from tests.worker.fake_runner import submission
from tests.worker.worker_process import TINY, Worker

BERT = Bert()


def loaded(worker: Worker, given: EmbedderOptions) -> EmbedderLoaded:
    worker.send(given)
    while isinstance(report := worker.receive(), LoadProgress):
        pass
    assert isinstance(report, EmbedderLoaded)
    return report


@pytest.fixture
def worker(start: Callable[..., Worker], tmp_path: Path) -> Iterator[Worker]:
    """One that has loaded a small BERT."""
    made = start()
    facts = loaded(made, embedder_options(BERT.write(tmp_path / "bert.gguf", PoolingType.MEAN)))
    assert (facts.width, facts.pooling) == (BERT.width, "mean")
    yield made
    made.send(Close())
    assert made.end()[0] == 0


def ask(worker: Worker, request: Embed) -> Report:
    """What it says to a request, after that it came in."""
    worker.send(request)
    report = worker.receive()
    return worker.receive() if isinstance(report, Accepted) else report


def test_vectors_of_texts_and_tokens(worker: Worker) -> None:
    tokens = word_ids("the", "cat", "sat")
    answer = ask(worker, Embed(id=1, inputs=["The cat sat", tokens]))
    assert isinstance(answer, Embedded)
    assert answer.tokens == [5, 5]
    first, second = (np.frombuffer(each, "<f4") for each in answer.vectors)
    assert first == pytest.approx(second, abs=1e-3)
    assert first @ BERT.embed(tokens, PoolingType.MEAN) > 0.9999


def test_two_thousand_inputs(worker: Worker) -> None:
    inputs = [f"the cat {number} sat" for number in range(2048)]
    answer = ask(worker, Embed(id=1, inputs=inputs, width=3))
    assert isinstance(answer, Embedded)
    assert len(answer.vectors) == len(answer.tokens) == 2048
    assert struct.calcsize("<3f") == len(answer.vectors[0])
    (lone,) = ask(worker, Embed(id=2, inputs=[inputs[1234]], width=3)).vectors
    packed = np.frombuffer(answer.vectors[1234], "<f4")
    assert packed == pytest.approx(np.frombuffer(lone, "<f4"), abs=1e-3)


def test_a_small_request_overtakes_a_large_one(worker: Worker) -> None:
    large = Embed(id=1, inputs=["the dog sat on the mat"] * 2000)
    worker.send(large, Embed(id=2, inputs=["cat"]))
    ended = [report.id for report in (worker.receive() for _ in range(4)) if is_answer(report)]
    assert ended == [2, 1]


def test_a_cancelled_request_is_not_answered(worker: Worker) -> None:
    worker.send(Embed(id=1, inputs=["the dog"] * 2000), Cancel(id=1), Embed(id=2, inputs=["cat"]))
    reports = [worker.receive() for _ in range(3)]
    assert [report.id for report in reports if is_answer(report)] == [2]


def test_what_is_too_long_is_refused_with_the_figures(worker: Worker) -> None:
    refused = ask(worker, Embed(id=1, inputs=["cat", "cat " * 600]))
    assert isinstance(refused, Refused)
    assert refused.kind == "context_too_long"
    assert refused.message.startswith("input[1] has 602 tokens, and the model reads at most 512")
    cut = ask(worker, Embed(id=2, inputs=["cat " * 600], truncate=True))
    whole = ask(worker, Embed(id=3, inputs=["cat " * 510]))
    assert isinstance(cut, Embedded)
    assert isinstance(whole, Embedded)
    assert cut.tokens == [512]
    assert cut.vectors == whole.vectors


def test_it_generates_nothing(worker: Worker) -> None:
    worker.send(submission(1, [5], 3))
    refused = worker.receive()
    assert isinstance(refused, Refused)
    assert refused.kind == "invalid"


def test_a_worker_that_generates_makes_no_embeddings(
    start: Callable[..., Worker],
) -> None:
    made = start()
    made.load(context_length=256)
    made.send(Embed(id=1, inputs=["cat"]))
    refused = made.receive()
    assert isinstance(refused, Refused)
    assert refused.kind == "invalid"


def test_a_model_for_something_else_does_not_load(start: Callable[..., Worker]) -> None:
    made = start()
    made.send(embedder_options(TINY))
    report = made.receive()
    assert isinstance(report, LoadFailed)
    assert "is not meant for embeddings" in report.message
    assert made.end()[0] == 1


@pytest.mark.parametrize("letter", ["a", "Ж", "!"])
def test_a_word_without_end_does_not_end_the_process(
    start: Callable[..., Worker],
    tmp_path: Path,
    letter: str,
) -> None:
    """This tokeniser recurses over a word: with an ordinary stack, 30,000 letters are its end."""
    path = write_copy(TINY, tmp_path / "last.gguf", {"gpt-oss.pooling_type": PoolingType.LAST})
    made = start()
    loaded(made, embedder_options(path, context_length=4096))
    # As much as is read of a text.
    word = letter * ((1 << 17) // len(letter.encode()))
    answer = ask(made, Embed(id=1, inputs=[word], truncate=True))
    assert isinstance(answer, Embedded)
    assert answer.tokens == [4096]
    refused = ask(made, Embed(id=2, inputs=[word + letter]))
    assert isinstance(refused, Refused)
    assert "has 131072 bytes" not in refused.message
    assert "no text of more than 131072 is read" in refused.message


def is_answer(report: Report) -> bool:
    return isinstance(report, Embedded | Refused)
