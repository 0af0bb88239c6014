"""The real process: started as a gateway starts it, fed over a socket, ended in every way."""

import signal
from collections.abc import Callable
from pathlib import Path

import gguf
import msgspec
import pytest

from server.worker.messages import (
    Accepted,
    Cancel,
    Close,
    LoadFailed,
    LoadProgress,
    Refused,
)
from tests.worker.fake_runner import GREEDY, submission
from tests.worker.worker_process import TINY, Worker, options

# A prompt that takes the tiny model many steps, and an answer that takes it seconds.
LONG_PROMPT = [5] * 50_000
LONG_ANSWER = 60_000


@pytest.fixture
def worker(start: Callable[..., Worker]) -> Worker:
    return start()


def test_load_answer_and_close(worker: Worker) -> None:
    loaded = worker.load(context_length=2048)
    assert loaded.context_length == 2048
    prompt = [loaded.tokens.index(b"<|start|>"), loaded.tokens.index(b"name")]
    worker.send(submission(1, prompt, 20), submission(2, prompt, 20), submission(3, [], 5))
    assert [worker.receive() for _ in range(2)] == [Accepted(id=1), Accepted(id=2)]
    refused = worker.receive()
    assert isinstance(refused, Refused)
    tokens, ended = worker.until_ended(2)
    assert tokens[1] == tokens[2]
    assert len(tokens[1]) == 20
    assert ended[1].reason == "length"
    assert ended[1].generation_s > 0
    worker.send(Close())
    assert worker.end()[0] == 0


def test_close_ends_what_runs_and_what_waits(worker: Worker) -> None:
    worker.load()
    worker.send(*(submission(n, [5], LONG_ANSWER) for n in range(4)), Close())
    ended = worker.until_ended(4)[1]
    assert {end.reason for end in ended.values()} == {"failed"}
    assert worker.end()[0] == 0


def test_cancel_in_the_middle_of_a_prompt(worker: Worker) -> None:
    worker.load()
    worker.send(submission(1, LONG_PROMPT, 10))
    assert worker.receive() == Accepted(id=1)
    worker.send(Cancel(id=1))
    tokens, ended = worker.until_ended()
    assert ended[1].reason == "cancelled"
    assert tokens == {}
    worker.send(submission(2, [5, 6], 5))
    assert worker.receive() == Accepted(id=2)
    assert len(worker.until_ended()[0][2]) == 5


def test_sampled_answers_repeat_in_another_process(start: Callable[..., Worker]) -> None:
    sampler = msgspec.structs.replace(GREEDY, temperature=1.0, seed=7)
    answers = []
    for worker in (start(), start()):
        worker.load(context_length=2048)
        worker.send(submission(1, [5, 6, 7], 50, sampler=sampler))
        answers.append(worker.until_ended()[0][1])
    assert answers[0] == answers[1]


def test_it_ends_when_the_gateway_leaves(worker: Worker) -> None:
    worker.load()
    worker.leave()
    assert worker.end()[0] == 0


def test_it_ends_when_the_gateway_leaves_in_the_middle_of_a_computation(worker: Worker) -> None:
    worker.load()
    worker.send(submission(1, LONG_PROMPT, LONG_ANSWER))
    assert worker.receive() == Accepted(id=1)
    worker.leave()
    assert worker.end()[0] == 0


def test_it_ends_when_the_gateway_leaves_in_the_middle_of_a_load(worker: Worker) -> None:
    worker.send(options())
    assert isinstance(worker.receive(), LoadProgress)
    worker.leave()
    assert worker.end()[0] == 0


def test_it_ends_when_closed_in_the_middle_of_a_load(worker: Worker) -> None:
    worker.send(options(), Close())
    assert worker.end()[0] == 0


def test_an_interrupt_from_the_terminal_is_the_gateways_to_answer(worker: Worker) -> None:
    worker.load(context_length=2048)
    worker.process.send_signal(signal.SIGINT)
    worker.send(submission(1, [5], 3))
    assert len(worker.until_ended()[0][1]) == 3


def test_other_arguments_are_refused(start: Callable[..., Worker]) -> None:
    code, words = start("--model", "x").end()
    assert code == 2
    assert "usage" in words


# --- models that do not load ---------------------------------------------------------------------


def refused(worker: Worker, path: Path) -> str:
    worker.send(options(path=str(path)))
    report = worker.receive()
    assert isinstance(report, LoadFailed)
    assert worker.end()[0] == 1
    return report.message


def test_a_missing_file(worker: Worker, tmp_path: Path) -> None:
    assert "There is no model file" in refused(worker, tmp_path / "none.gguf")


def test_a_file_that_is_no_model(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "text.gguf"
    path.write_text("nothing" * 1000)
    assert "magic" in refused(worker, path)


def test_a_truncated_file(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "half.gguf"
    path.write_bytes(TINY.read_bytes()[: TINY.stat().st_size // 2])
    assert "corrupted or incomplete" in refused(worker, path)


def test_a_model_that_aborts_llama_cpp_leaves_last_words(worker: Worker, tmp_path: Path) -> None:
    path = tmp_path / "twice.gguf"
    path.write_bytes(TINY.read_bytes())
    name_a_token_twice(path)
    worker.send(options(path=str(path)))
    code, words = worker.end()
    assert code == -signal.SIGABRT
    assert "GGML_ASSERT" in words


def name_a_token_twice(path: Path) -> None:
    """Give one token of the file's vocabulary the text of another of the same length."""
    reader = gguf.GGUFReader(path, "r+")
    field = reader.fields["tokenizer.ggml.tokens"]
    texts = [field.parts[index] for index in field.data]
    first, second = [text for text in texts if len(text) == 4][:2]
    second[:] = first
    reader.data.flush()
