"""The real process: started as a gateway starts it, fed over a socket, ended in every way."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gguf
import msgspec
import pytest

from server.worker.messages import (
    Accepted,
    Cancel,
    Close,
    Ended,
    Frame,
    Loaded,
    LoadFailed,
    LoadProgress,
    ModelOptions,
    Refused,
    Step,
)
from server.worker.wire import Report, decode_report, encode
from tests.worker.fake_runner import GREEDY, submission

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models/gpt-oss-tiny.gguf"
PATIENCE_S = 60
# A prompt that takes the tiny model many steps, and an answer that takes it seconds.
LONG_PROMPT = [5] * 50_000
LONG_ANSWER = 60_000


class Worker:
    """A worker process and the gateway's end of its socket."""

    def __init__(self, *arguments: str) -> None:
        self.ours, theirs = socket.socketpair()
        self.ours.settimeout(PATIENCE_S)
        with theirs:
            command = [sys.executable, "-m", "server.worker"]
            self.process = subprocess.Popen(
                [*command, *(arguments or ("--fd", str(theirs.fileno())))],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd=ROOT,
            )
        self._frames = self.ours.makefile("rb")

    def send(self, *frames: Frame) -> None:
        self.ours.sendall(b"".join(encode(frame) for frame in frames))

    def receive(self) -> Report:
        size = int.from_bytes(self._frames.read(4), "big")
        return decode_report(self._frames.read(size))

    def load(self, **fields: object) -> Loaded:
        self.send(options(**fields))
        while isinstance(report := self.receive(), LoadProgress):
            pass
        assert isinstance(report, Loaded)
        return report

    def until_ended(self, count: int = 1) -> tuple[dict[int, list[int]], dict[int, Ended]]:
        """The tokens and ends of what is told until so many requests have ended."""
        tokens: dict[int, list[int]] = {}
        ended: dict[int, Ended] = {}
        while len(ended) < count:
            report = self.receive()
            assert isinstance(report, Step | Accepted)
            if isinstance(report, Step):
                for token in report.tokens:
                    tokens.setdefault(token.id, []).append(token.token)
                ended |= {end.id: end for end in report.ended}
        return tokens, ended

    def leave(self) -> None:
        """Close the gateway's end."""
        self._frames.close()
        self.ours.close()

    def end(self) -> tuple[int, str]:
        """Wait for the exit: its code and what was written to stderr."""
        _, words = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, words.decode()


def options(**fields: object) -> ModelOptions:
    values: dict[str, object] = {
        "path": str(TINY),
        "context_length": 131072,
        "slots": 2,
        "threads": 1,
        "gpu_layers": -2,
        "cpu_moe_layers": 0,
        "weight_repack": "auto",
        "queue_limit": 2,
    }
    return ModelOptions(**values | fields)


@pytest.fixture
def start() -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start_one(*arguments: str) -> Worker:
        started.append(Worker(*arguments))
        return started[-1]

    yield start_one
    for worker in started:
        if worker.process.poll() is None:
            worker.process.kill()
        worker.process.wait()
        assert worker.process.stderr is not None
        worker.process.stderr.close()
        worker.leave()


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
