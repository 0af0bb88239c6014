#!/usr/bin/env python3
"""One stream through HTTP against llama.cpp alone in a process, in turn, on the same model.

    bench/single_stream.py                             # the bundled model
    bench/single_stream.py --model small.gguf          # see random_model.py

Prints tokens a second of both (prompt and generation together, wall clock as the client sees it),
their ratio, the gateway's resident memory, and the seconds until it listens and until it is ready.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from processes import ROOT, BareLlama, Server

QUESTION = "Count from 1 to 200"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "gpt-oss-tiny.gguf")
    parser.add_argument("--tokens", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    args = parser.parse_args()
    model = args.model.resolve()
    body = {
        "messages": [{"role": "user", "content": QUESTION}],
        "max_tokens": args.tokens,
        "temperature": 0,
    }
    ours, bare = [], []
    with (
        Server(model, N_THREADS=str(args.threads), PREFIX_CACHE_RAM="0") as server,
        BareLlama(model, args.threads) as llama,
    ):
        server.stream(body)
        for _ in range(args.rounds):
            seconds, usage = server.stream(body)
            tokens = usage["completion_tokens"]
            ours.append(tokens / seconds)
            bare.append(tokens / llama.run(usage["prompt_tokens"], tokens))
        report = {
            "model": model.name,
            "threads": args.threads,
            "rounds": args.rounds,
            "prompt_tokens": usage["prompt_tokens"],
            "completion_tokens": tokens,
            "http_tokens_per_s": round(statistics.median(ours), 1),
            "llama_cpp_tokens_per_s": round(statistics.median(bare), 1),
            "ratio": round(statistics.median(o / b for o, b in zip(ours, bare, strict=True)), 3),
            "gateway_resident_mb": round(server.resident_mb(), 1),
            "listening_s": round(server.listening_s, 2),
            "ready_s": round(server.ready_s, 2),
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
