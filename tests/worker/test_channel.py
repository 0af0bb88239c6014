import socket
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import msgspec
import pytest

from server.core.ports import PrefixCounters
from server.worker.channel import GATEWAY_GONE, PROTOCOL_BROKEN, Channel
from server.worker.messages import (
    Accepted,
    Cancel,
    Close,
    Ended,
    Loaded,
    LoadFailed,
    LoadProgress,
    ModelOptions,
    Refused,
    Step,
    Token,
)
from server.worker.wire import (
    Command,
    Report,
    decode_command,
    decode_options,
    decode_report,
    encode,
)
from tests.worker.fake_runner import submission

# The stand-in for os._exit ends the reading thread with an exception.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")

OPTIONS = ModelOptions(
    path="/models/x.gguf",
    context_length=4096,
    slots=4,
    threads=2,
    gpu_layers=-2,
    cpu_moe_layers=0,
    weight_repack="auto",
    queue_limit=16,
)
COMMANDS: list[Command] = [
    submission(1, [1, 2], 3, stop_ids=[4], top_logprobs=2, salt=b"\xff", boundaries=[1]),
    Cancel(id=1),
    Close(),
]
REPORTS: list[Report] = [
    LoadProgress(fraction=0.5),
    LoadFailed(message="no"),
    Loaded(
        architecture="gpt-oss",
        description="gpt-oss 20B",
        context_length=4096,
        training_context_length=131072,
        parameters=20,
        size_bytes=12,
        slots=4,
        sliding_window=128,
        gpu_layers=0,
        notes=["n"],
        tokens=[b"a", b"\xff\x00"],
        control_ids=[1],
        end_ids=[1],
    ),
    Accepted(id=1),
    Refused(id=1, kind="busy", message="later", retry_after=1.5),
    Step(
        tokens=[
            Token(id=1, token=5),
            Token(id=2, token=6, logprob=-0.5, top=[(6, -0.5), (7, -1.0)]),
        ],
        ended=[Ended(id=1, reason="stop", cached_tokens=4)],
        running=1,
        waiting=0,
        prefixes=PrefixCounters(memory_hits=1, tokens=4, memory_bytes=100),
    ),
]


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleQueue[int]]:
    """The exit codes with which the channel would have ended the process."""
    codes: SimpleQueue[int] = SimpleQueue()

    def leave(code: int) -> None:
        codes.put(code)
        # As in a process that ends, nothing of the calling thread runs on.
        raise SystemExit(code)

    monkeypatch.setattr("os._exit", leave)
    yield codes
    for thread in threading.enumerate():
        if thread.name == "channel":
            thread.join(10)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_commands_survive_the_wire(command: Command) -> None:
    frame = encode(command)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert decode_command(frame[4:]) == command


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: type(report).__name__)
def test_reports_survive_the_wire(report: Report) -> None:
    assert decode_report(encode(report)[4:]) == report


def test_options_survive_the_wire_and_are_no_command() -> None:
    body = encode(OPTIONS)[4:]
    assert decode_options(body) == OPTIONS
    with pytest.raises(msgspec.ValidationError):
        decode_command(body)
    with pytest.raises(msgspec.ValidationError):
        decode_options(encode(Close())[4:])


def test_frames_arrive_in_order_however_they_are_cut(
    ends: tuple[socket.socket, socket.socket], left: SimpleQueue[int]
) -> None:
    ours, theirs = ends
    channel = Channel(theirs)
    ours.sendall(encode(OPTIONS))
    assert channel.receive_options() == OPTIONS
    taken: SimpleQueue[Command] = SimpleQueue()
    channel.listen(taken.put)
    stream = b"".join(encode(command) for command in COMMANDS)
    for place in range(0, len(stream), 7):
        ours.sendall(stream[place : place + 7])
    assert [taken.get(timeout=10) for _ in COMMANDS] == COMMANDS
    ours.close()
    assert left.get(timeout=10) == GATEWAY_GONE


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x00\x00\x00\x03abc", "A frame is no command"),
        (b"\xff\xff\xff\xff", "larger than"),
    ],
)
def test_what_is_no_protocol_ends_the_process(
    ends: tuple[socket.socket, socket.socket],
    left: SimpleQueue[int],
    capsys: pytest.CaptureFixture[str],
    data: bytes,
    words: str,
) -> None:
    ours, theirs = ends
    Channel(theirs).listen(lambda _command: None)
    ours.sendall(data)
    assert left.get(timeout=10) == PROTOCOL_BROKEN
    assert words in capsys.readouterr().err


def test_a_first_frame_that_is_no_options_ends_the_process(
    ends: tuple[socket.socket, socket.socket], left: SimpleQueue[int]
) -> None:
    ours, theirs = ends
    ours.sendall(encode(Close()))
    with pytest.raises(SystemExit):
        Channel(theirs).receive_options()
    assert left.get(timeout=1) == PROTOCOL_BROKEN


def test_a_half_frame_and_then_nothing_ends_the_process(
    ends: tuple[socket.socket, socket.socket], left: SimpleQueue[int]
) -> None:
    ours, theirs = ends
    ours.sendall(encode(OPTIONS)[:10])
    ours.close()
    with pytest.raises(SystemExit):
        Channel(theirs).receive_options()
    assert left.get(timeout=1) == GATEWAY_GONE


def test_sending_to_nobody_ends_the_process(
    ends: tuple[socket.socket, socket.socket], left: SimpleQueue[int]
) -> None:
    ours, theirs = ends
    ours.close()
    with pytest.raises(SystemExit):
        Channel(theirs).send(Accepted(id=1))
    assert left.get(timeout=1) == GATEWAY_GONE


def test_reports_are_sent_whole(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    channel = Channel(theirs)
    for report in REPORTS:
        channel.send(report)
    with ours.makefile("rb") as frames:
        for report in REPORTS:
            body = frames.read(int.from_bytes(frames.read(4), "big"))
            assert decode_report(body) == report
