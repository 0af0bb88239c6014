"""Compare llama.cpp with the trainer, and both with the right answers.

    python -m tools.tiny_model.check RUN models/gpt-oss-tiny.gguf

Prints a table: tokenisation of three libraries, greedy answers token for token, whole answers
exactly right by kind of task, on prompts that training did not see.
"""

import argparse
import time
from pathlib import Path

import gguf
import tiktoken
import torch
from gguf import GGMLQuantizationType as Quant

from .engine import Engine
from .evaluate import Generator, held_out, table
from .export import load
from .harmony_text import Sample, answer_text, prompt_text
from .model import Model
from .tokenizer import O200K, Vocabulary


@torch.no_grad()
def round_dense(model: Model) -> None:
    """Give the trainer's embeddings, attention and output the file's Q8_0 rounding."""
    attention = [layer.attention for layer in model.layers]
    for p in (model.embedding, model.output, *(w for a in attention for w in (a.q, a.k, a.v, a.o))):
        stored = gguf.quants.quantize(p.numpy(), Quant.Q8_0)
        p.copy_(torch.from_numpy(gguf.quants.dequantize(stored, Quant.Q8_0)))


def as_tiktoken(v: Vocabulary) -> tiktoken.Encoding:
    """The vocabulary as a server rebuilds it from the GGUF."""
    ranks = {b: i for i, b in enumerate(v.bytes_of[: len(v.tokens)])}
    specials = {s: v.ids[s] for s in v.specials}
    return tiktoken.Encoding("tiny", pat_str=O200K, mergeable_ranks=ranks, special_tokens=specials)


def same_tokens(engine: Engine, v: Vocabulary, chosen: list[Sample]) -> int:
    """On how many samples llama.cpp, tokenizers and tiktoken agree."""
    encoding, same = as_tiktoken(v), 0
    for s in chosen:
        text = prompt_text(s) + answer_text(s.answer)
        ids = v.encode(text)
        same += ids == engine.encode(text) == encoding.encode(text, allowed_special="all")
    return same


def same_answers(model: Model, engine: Engine, v: Vocabulary, chosen: list[Sample]) -> int:
    """On how many samples both answer greedily with the same tokens; differences are shown."""
    stops, same = stop_ids(v), 0
    for s in chosen:
        prompt = v.encode(prompt_text(s))
        theirs, margin = engine.answer(prompt, stops)
        ours = Generator(model, True).answer(prompt, stops)
        same += ours == theirs
        if ours != theirs:
            print(f"  differs ({s.task}, margin {margin:.3f}):")
            print(f"    trainer   {v.decode(ours)!r}\n    llama.cpp {v.decode(theirs)!r}")
    return same


def stop_ids(v: Vocabulary) -> set[int]:
    """Tokens that end an answer."""
    return {v.ids["<|return|>"], v.ids["<|call|>"]}


def right_answers(
    engine: Engine, v: Vocabulary, chosen: list[Sample], wrong: int
) -> list[tuple[str, bool]]:
    """(task, exactly right) for llama.cpp's greedy answers; some wrong ones are shown."""
    rows = []
    for s in chosen:
        want = answer_text(s.answer)
        got = v.decode(engine.answer(v.encode(prompt_text(s)), stop_ids(v))[0])
        rows.append((s.task, got == want))
        if got != want and wrong > 0:
            wrong -= 1
            asked = [(m.kind, m.text[-160:]) for m in s.messages[-3:]]
            print(f"  {s.task}: {asked}\n    right {want!r}\n    got   {got!r}")
    return rows


def main() -> None:
    """Run all checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--number", type=int, default=400, help="held-out prompts")
    parser.add_argument("--parity", type=int, default=72, help="prompts for token-for-token")
    parser.add_argument("--wrong", type=int, default=0, help="wrong answers to show")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, v = load(args.run)
    round_dense(model)
    engine = Engine(args.gguf)
    chosen, began = held_out(args.number), time.time()
    few = [*chosen[: args.parity - 6], *held_out(6, long=True)]
    print(f"tokenisation equal       {same_tokens(engine, v, chosen)}/{len(chosen)}")
    if args.parity:
        print(f"greedy equal to trainer  {same_answers(model, engine, v, few)}/{len(few)}")
    print("exactly right, llama.cpp", table(right_answers(engine, v, chosen, args.wrong)))
    long = right_answers(engine, v, held_out(args.number // 8, long=True), args.wrong)
    print("the same, long prompts  ", table(long))
    print(f"took {time.time() - began:.0f} s")


if __name__ == "__main__":
    main()
