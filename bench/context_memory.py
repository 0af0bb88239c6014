#!/usr/bin/env python3
"""What a model remembers of a text: bytes of KV cache a token, and beside them a sequence.

    bench/context_memory.py --model full.gguf              # see random_model.py

Computes a prompt in two steps and asks llama.cpp for the size of what is kept after each. gpt-oss's
layers with a sliding window keep its last tokens only, which is the part that does not grow.
"""

import argparse
import json
import os
import random
import sys
from pathlib import Path

from processes import ROOT

sys.path.insert(0, str(ROOT))

from server.worker.messages import ModelOptions
from server.worker.ports import Batch, Span
from server.worker.runtime import library
from server.worker.runtime.load import GREEDY, Runtime, load

# Both beyond the window, so that what it keeps is the same.
FEW, MANY = 256, 512
CONTEXT = 1024
KIB = 1024


def sizes(runtime: Runtime) -> tuple[int, int]:
    """Bytes of a slot that holds FEW tokens, then MANY."""
    runner = runtime.runner
    ids = random.Random(0).choices(range(100, 1100), k=MANY)
    runner.occupy(0, GREEDY)
    found = []
    for begin, end in ((0, FEW), (FEW, MANY)):
        for at in range(begin, end, runner.batch_tokens):
            tokens = ids[at : min(at + runner.batch_tokens, end)]
            runner.run(Batch([Span(0, at, tokens, False)], 0, len(tokens)))
        found.append(runner.snapshot_bytes(0))
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "gpt-oss-tiny.gguf")
    args = parser.parse_args()
    options = ModelOptions(
        path=str(args.model.resolve()),
        context_length=CONTEXT,
        slots=1,
        threads=len(os.sched_getaffinity(0)),
        gpu_layers=0,
        cpu_moe_layers=0,
        weight_repack="off",
        queue_limit=0,
    )
    runtime = load(options, library.start(), lambda _fraction: None)
    few, many = sizes(runtime)
    runtime.close()
    token = (many - few) / (MANY - FEW)
    report = {
        "model": args.model.name,
        "kib_a_token": round(token / KIB, 2),
        "mib_a_sequence_beside": round((few - FEW * token) / KIB**2, 2),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
