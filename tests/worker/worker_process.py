"""A worker process as a gateway starts it, and the gateway's end of its socket."""

import socket
import subprocess
import sys
from pathlib import Path

from server.worker.messages import Accepted, Ended, Frame, Loaded, LoadProgress, ModelOptions, Step
from server.worker.wire import Report, decode_report, encode

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models/gpt-oss-tiny.gguf"
PATIENCE_S = 60


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
