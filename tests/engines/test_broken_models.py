"""Models that cannot be loaded: one clear error in llama.cpp's own words, no restart loop."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.core.errors import ServerError
from server.core.events import collect
from tests.engines.models import TINY, StartEngine, asked, options, patched


async def refusal(start_engine: StartEngine, path: Path) -> str:
    """The error of a request to an engine with this model."""
    engine = await start_engine(options(path))
    assert engine.status().state == "failed"
    with pytest.raises(ServerError) as caught:
        await collect(engine.generate(asked("Hello!")))
    assert caught.value.kind == "engine_failed"
    return caught.value.message


async def test_a_missing_file(start_engine: StartEngine, tmp_path: Path) -> None:
    assert "nowhere.gguf" in await refusal(start_engine, tmp_path / "nowhere.gguf")


async def test_a_truncated_file(start_engine: StartEngine, tmp_path: Path) -> None:
    broken = tmp_path / "half.gguf"
    broken.write_bytes(TINY.read_bytes()[:500_000])
    assert "half.gguf" in await refusal(start_engine, broken)


async def test_a_file_that_is_no_gguf(start_engine: StartEngine, tmp_path: Path) -> None:
    broken = tmp_path / "text.gguf"
    broken.write_text("hello " * 1000)
    assert "text.gguf" in await refusal(start_engine, broken)


async def test_a_vocabulary_without_harmony(start_engine: StartEngine, tmp_path: Path) -> None:
    stranger = patched(tmp_path / "stranger.gguf", b"<|channel|>", b"<|chinnel|>")
    assert "<|channel|>" in await refusal(start_engine, stranger)


async def test_a_file_that_llama_cpp_aborts_on(start_engine: StartEngine, tmp_path: Path) -> None:
    # Two entries of the vocabulary spelled alike fail an assertion, which ends the process.
    twins = patched(tmp_path / "twins.gguf", b"<|channel|>", b"<|message|>")
    message = await refusal(start_engine, twins)
    assert "SIGABRT" in message
    assert "GGML_ASSERT" in message


GATEWAY = """
import asyncio, sys
from server.engines.local import LocalEngine, LocalOptions
from server.formats.choice import completing
from tests.engines.models import limits, options

async def main():
    given = LocalOptions(name="tiny", model=options(), limits=limits())
    engine = LocalEngine(given, completing)
    await engine.start()
    await engine.settled()
    print(engine.worker_pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_worker_whose_gateway_died_ends_itself() -> None:
    command = [sys.executable, "-c", GATEWAY]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=TINY.parents[1]
    ) as gateway:
        assert gateway.stdout is not None
        worker = os.pidfd_open(int(gateway.stdout.readline()))
        gateway.send_signal(signal.SIGKILL)
        # A pidfd becomes readable when its process has ended.
        gone, _, _ = select.select([worker], [], [], 10)
        os.close(worker)
    assert gone
