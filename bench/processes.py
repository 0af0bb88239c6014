"""The processes that benchmarks measure: a server of this project, a bare llama.cpp beside it."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START_LIMIT_S = 600.0


class Server:
    """`gpt-api serve` on a free port; times in seconds from the start of its process."""

    def __init__(self, model: Path, **settings: str) -> None:
        self.port = _free_port()
        environment = {**os.environ, "MODEL_PATH": str(model), "PORT": str(self.port), **settings}
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server", "serve"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.listening_s = self._until(lambda status: status is not None)
        self.ready_s = self._until(lambda status: status == 200)

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(60)

    def resident_mb(self) -> float:
        """Resident memory of the gateway process alone, in 10^6 bytes."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError("no VmRSS")

    def stream(self, body: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Seconds from sending a streamed chat to its last byte, and its usage."""
        payload = json.dumps({**body, "stream": True, "stream_options": {"include_usage": True}})
        usage: dict[str, Any] = {}
        start = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request(
            "POST", "/v1/chat/completions", payload, {"Content-Type": "application/json"}
        )
        reply = connection.getresponse()
        if reply.status != 200:
            raise SystemExit(f"HTTP {reply.status}: {reply.read(300)!r}")
        for line in reply:
            if b'"usage":{' in line:
                usage = json.loads(line[len("data: ") :])["usage"]
        connection.close()
        return time.perf_counter() - start, usage

    def _until(self, wanted: Any) -> float:
        while time.perf_counter() - self._started < START_LIMIT_S:
            if wanted(self._health()):
                return time.perf_counter() - self._started
            if self._process.poll() is not None:
                raise SystemExit(f"the server ended with status {self._process.returncode}")
            time.sleep(0.005)
        raise SystemExit("the server did not start")

    def _health(self) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()


class BareLlama:
    """`bare_llama.py` in a process of its own."""

    def __init__(self, model: Path, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "bench" / "bare_llama.py"), str(model), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._line() != "ready":
            raise SystemExit("llama.cpp could not load the model")

    def __enter__(self) -> "BareLlama":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def run(self, prompt: int, tokens: int) -> float:
        """Seconds for a prompt and a generation of so many tokens."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{prompt} {tokens}\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
