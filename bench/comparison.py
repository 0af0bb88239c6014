#!/usr/bin/env python3
"""Measures this server and llama.cpp's own side by side and holds their ratios to the targets.

    bench/compare --model small            # a random model of 0.4 GB, made on first use
    bench/compare --model full             # gpt-oss-20b's shape, 12 GB: needs 24 GB of memory
    bench/compare --model path/to.gguf [--rounds 3] [--only single,conc4 [--update]]

One server runs at a time, in turn, with the same threads, slots and context; both are asked the
same texts, new ones every round. Numbers go to bench/results/NAME.json, ratios to the screen.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import load
import machine
from chat_client import ChatClient
from llama_server import CACHE, programs
from processes import ROOT, HttpServer, LlamaServer, Server, Setup, llama_bench
from random_model import SHAPES
from targets import BARE, OURS, THEIRS, judge

# Processors that others may keep busy beside a measurement, on average.
QUIET = 0.05
MODEL_NAME = "gpt-oss-20b"
RESULTS = ROOT / "bench" / "results"
OVERHEAD_MODEL = "mini"
Start = Callable[[Setup], HttpServer]
Measured = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Stage:
    """Scenarios that one start of a server goes through."""

    scenarios: tuple[str, ...]
    slots: int = 4
    model: str | None = None


# The second meets a server that was told the long system prompt before it was restarted.
STAGES = (
    Stage(("single", "conc4", "shared", "turns", "mixed", "known")),
    Stage(("recalled",)),
    Stage(("conc16",), slots=16),
    Stage(("overhead",), slots=16, model=OVERHEAD_MODEL),
)


class Comparison:
    """One comparison on one model; `only` names the scenarios to run."""

    def __init__(self, model: Path, threads: int, only: Sequence[str]) -> None:
        self._model = model
        self._threads = threads
        self._only = only
        self._programs = programs(threads)
        # Text that no cache of an earlier run can know.
        self._salt = str(time.time())
        self._tokens_a_word: dict[Path, float] = {}

    def round(self, number: int) -> dict[str, Measured]:
        """Both servers through all stages, each the first every other time; then llama-bench."""
        with tempfile.TemporaryDirectory(prefix="gpt-api-bench-") as state:
            starts: dict[str, Start] = {
                OURS: lambda setup: Server.of(setup, state=Path(state)),
                THEIRS: lambda setup: LlamaServer(self._programs, setup),
            }
            order = (OURS, THEIRS) if number % 2 == 0 else (THEIRS, OURS)
            measured = {name: self._contend(starts[name], number) for name in order}
        if "single" in self._only:
            prompt = measured[OURS]["single"]["prompt_tokens"]
            speed = llama_bench(self._programs, self._setup(STAGES[0]), prompt, load.SINGLE_TOKENS)
            measured[BARE] = {"speed": asdict(speed)}
        return measured

    def _contend(self, start: Start, number: int) -> Measured:
        measured: Measured = {}
        for stage in STAGES:
            names = [name for name in stage.scenarios if name in self._only]
            if not names:
                continue
            setup = self._setup(stage)
            with start(setup) as server:
                say(f"  {server.name}, {setup.model.name}, {setup.slots} slots: {' '.join(names)}")
                results = asyncio.run(self._ask(server, setup.model, names, number))
                measured.setdefault("gateway", about(server))
            measured |= {name: asdict(summary) for name, summary in results.items()}
        return measured

    async def _ask(
        self, server: HttpServer, model: Path, names: Sequence[str], number: int
    ) -> dict[str, load.Summary]:
        client = ChatClient(server.port, MODEL_NAME)
        if model not in self._tokens_a_word:
            self._tokens_a_word[model] = await load.tokens_a_word(client)
        prompts = load.Prompts(f"{self._salt}/{number}", self._tokens_a_word[model])
        return await load.run(client, prompts, names)

    def _setup(self, stage: Stage) -> Setup:
        model = random_model(stage.model) if stage.model else self._model
        return Setup(model=model, threads=self._threads, slots=stage.slots)


def about(server: HttpServer) -> dict[str, Any]:
    """The server's process after its scenarios. Megabytes of 10^6 bytes, and seconds."""
    return {
        "resident_mb": server.resident_mb(),
        "worker_resident_mb": server.children_mb(),
        "listening_s": server.listening_s,
        "ready_s": server.ready_s,
        "health": server.health(),
    }


def random_model(size: str) -> Path:
    """The random model of that size, written to the cache where it is not there yet."""
    path = CACHE / "models" / f"{size}.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        script = ROOT / "bench" / "random_model.py"
        unfinished = path.with_suffix(".part")
        subprocess.run([sys.executable, script, "--size", size, unfinished], check=True)
        unfinished.rename(path)
    return path


def merged(earlier: Sequence[dict[str, Measured]], newer: dict[str, Measured]) -> dict[str, Any]:
    """A round with what was measured anew in the place of what an earlier one has of it."""
    whole = dict(earlier[0]) if earlier else {}
    return whole | {name: whole.get(name, {}) | scenarios for name, scenarios in newer.items()}


def commit(folder: Path) -> str:
    """The llama.cpp commit that the programs were built from."""
    done = subprocess.run([folder / "llama-server", "--version"], capture_output=True, text=True)
    found = re.search(r"commit (\w+)", done.stdout + done.stderr)
    return found[1] if found else "not known"


def report(rounds: Sequence[dict[str, Measured]]) -> str:
    """The targets as a table for a screen."""
    lines = [f"{'':82} {'target':>9} {'median':>7}   rounds"]
    for row in judge(rounds):
        values = " ".join(f"{value:.3g}" for value in row.values)
        mark = "" if row.met else "  MISSED"
        wanted = row.target.wanted
        lines.append(f"{row.target.text:82} {wanted:>9} {row.median:7.3g}   {values}{mark}")
    return "\n".join(lines)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", required=True, help="small, full, mini, or a GGUF file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default=",".join(load.SCENARIOS), help="names, comma-separated")
    parser.add_argument(
        "--update",
        action="store_true",
        help="replace these scenarios in earlier results",
    )
    parser.add_argument("--out", type=Path, help="default: bench/results/NAME.json")
    args = parser.parse_args()
    model = random_model(args.model) if args.model in SHAPES else Path(args.model).resolve()
    comparison = Comparison(model, args.threads, args.only.split(","))
    out = args.out or RESULTS / f"{model.stem}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        "model": model.name,
        "size_bytes": model.stat().st_size,
        "threads": args.threads,
        "date": time.strftime("%Y-%m-%d"),
        "llama.cpp": commit(programs(args.threads)),
        "machine": machine.describe(),
        "busy_elsewhere": [],
        "rounds": [],
    }
    earlier = json.loads(out.read_text())["rounds"] if args.update and out.exists() else []
    for number in range(args.rounds):
        say(f"round {number + 1} of {args.rounds}")
        elsewhere = machine.Elsewhere()
        measured = comparison.round(number)
        record["rounds"].append(merged(earlier[number : number + 1], measured))
        record["busy_elsewhere"].append(round(elsewhere.cores(), 3))
        if record["busy_elsewhere"][-1] > QUIET:
            say(f"other programs kept {elsewhere.cores():.2f} cores busy: no number here holds")
        out.write_text(json.dumps(record, indent=1) + "\n")
    print(report(record["rounds"]))


if __name__ == "__main__":
    main()
