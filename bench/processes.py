"""The processes that benchmarks measure: a server of this project, llama.cpp's own, and a bare
llama.cpp beside them. Knows how each is started with the same threads, slots and context.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
START_LIMIT_S = 900.0
STOP_LIMIT_S = 120.0


@dataclass(frozen=True)
class Setup:
    """What a server is started with; `context` tokens are shared out among the slots."""

    model: Path
    threads: int
    slots: int = 4
    context: int = 16384


class HttpServer:
    """A server on a free port; times in seconds from the start of its process."""

    name = ""

    def __init__(self, command: Sequence[str], environment: dict[str, str], port: int) -> None:
        self.port = port
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._started = time.perf_counter()
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        self.listening_s = self._until(lambda status: status is not None)
        self.ready_s = self._until(lambda status: status == 200)

    def __enter__(self) -> "HttpServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def resident_mb(self) -> float:
        """Resident memory of this process alone, without its children, in 10^6 bytes."""
        return resident_mb(self._process.pid)

    def children_mb(self) -> float:
        """The same of its children: a worker with the model."""
        return sum(map(resident_mb, children(self._process.pid)))

    def health(self) -> dict[str, Any]:
        """What it says of itself."""
        status, body = self._get("/health")
        return json.loads(body) if status == 200 else {}

    def _until(self, wanted: Any) -> float:
        while time.perf_counter() - self._started < START_LIMIT_S:
            if wanted(self._get("/health")[0]):
                return time.perf_counter() - self._started
            if self._process.poll() is not None:
                raise SystemExit(
                    f"{self.name} ended at once; its last words:\n{self._last_words()}"
                )
            time.sleep(0.005)
        raise SystemExit(f"{self.name} did not start")

    def _get(self, path: str) -> tuple[int | None, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read()
        except OSError:
            return None, b""
        finally:
            connection.close()

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read()[-2000:].decode(errors="replace")


class Server(HttpServer):
    """`gpt-api serve`; settings as in its environment."""

    name = "gpt-api"

    def __init__(self, model: Path, **settings: str) -> None:
        port = free_port()
        own = {"MODEL_PATH": str(model), "PORT": str(port), "N_GPU_LAYERS": "0"}
        command = [sys.executable, "-m", "server", "serve"]
        super().__init__(command, {**os.environ, **own, **settings}, port)

    @classmethod
    def of(cls, setup: Setup, state: Path, **settings: str) -> "Server":
        """Prompts that are kept over restarts go to the folder `state`."""
        return cls(
            setup.model,
            N_THREADS=str(setup.threads),
            N_PARALLEL=str(setup.slots),
            CONTEXT_LENGTH=str(setup.context // setup.slots),
            PREFIX_CACHE_DIR=str(state),
            **settings,
        )


class LlamaServer(HttpServer):
    """`llama-server`, with its own defaults beyond the setup."""

    name = "llama-server"

    def __init__(self, programs: Path, setup: Setup) -> None:
        port = free_port()
        options = {
            "--model": setup.model,
            "--port": port,
            "--threads": setup.threads,
            "--threads-batch": setup.threads,
            "--parallel": setup.slots,
            "--ctx-size": setup.context,
            "--n-gpu-layers": 0,
        }
        words = [str(word) for option in options.items() for word in option]
        super().__init__([str(programs / "llama-server"), *words], dict(os.environ), port)


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

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(STOP_LIMIT_S)

    def run(self, prompt: int, tokens: int) -> float:
        """Seconds for a prompt and a generation of so many tokens."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{prompt} {tokens}\n")
        self._process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@dataclass(frozen=True)
class BareSpeed:
    """`llama-bench`, tokens a second: a prompt, and generation after such a prompt."""

    prompt_per_s: float
    generation_per_s: float


def llama_bench(programs: Path, setup: Setup, prompt: int, tokens: int) -> BareSpeed:
    """Run it once on the model alone."""

    def rate(*options: int | str) -> float:
        common = ("-m", setup.model, "-t", setup.threads, "-ngl", 0, "-r", 1, "-o", "json")
        command = [str(word) for word in (programs / "llama-bench", *common, *options)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(json.loads(done.stdout)[0]["avg_ts"])

    return BareSpeed(
        prompt_per_s=rate("-p", prompt, "-n", 0),
        generation_per_s=rate("-p", 0, "-n", tokens, "-d", prompt),
    )


def resident_mb(pid: int) -> float:
    """Resident memory of a process in 10^6 bytes; pages of the model's file count while mapped."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def children(pid: int) -> list[int]:
    """The processes that this one started, whichever of its threads did."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in lists for child in path.read_text().split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
