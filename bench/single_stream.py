#!/usr/bin/env python3
"""One stream through HTTP against llama.cpp alone in a process, in turn, on the same model.

    bench/single_stream.py                             # the bundled model
    bench/single_stream.py --model small.gguf          # see random_model.py

Prints tokens a second of both (prompt and generation together, wall clock as the client sees it),
their ratio, the gateway's resident memory, and the seconds until it listens and until it is ready.
"""

import argparse
import asyncio
import json
import os
import statistics
from pathlib import Path

from chat_client import Chat, ChatClient
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
    chat = Chat(({"role": "user", "content": QUESTION},), args.tokens)
    ours, bare = [], []
    with (
        Server(model, N_THREADS=str(args.threads), PREFIX_CACHE_RAM="0") as server,
        BareLlama(model, args.threads) as llama,
    ):
        client = ChatClient(server.port, "gpt-oss-20b")
        asyncio.run(client.ask(chat))
        for _ in range(args.rounds):
            answer = asyncio.run(client.ask(chat))
            ours.append(answer.tokens / (answer.ended - answer.started))
            # What the server still knew it did not compute: the bare one need not either.
            computed = answer.prompt_tokens - answer.cached_tokens
            bare.append(answer.tokens / llama.run(computed, answer.tokens))
        report = {
            "model": model.name,
            "threads": args.threads,
            "rounds": args.rounds,
            "prompt_tokens": answer.prompt_tokens,
            "cached_tokens": answer.cached_tokens,
            "completion_tokens": answer.tokens,
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
