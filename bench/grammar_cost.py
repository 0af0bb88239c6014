#!/usr/bin/env python3
"""What holding an answer to a grammar costs, a token, next to the step that computes the token.

    bench/grammar_cost.py                                  # 201,088 made-up tokens
    bench/grammar_cost.py --tokens o200k_base.tiktoken     # gpt-oss's own

Every token that is drawn is asked about and accepted; the mask is made only when one was refused.
"""

import argparse
import base64
import json
import statistics
import sys
import time
from pathlib import Path
from typing import NamedTuple

from random_vocabulary import N_VOCAB, N_WORDS, byte_alphabet, vocabulary

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from server.formats.json_schema import checked  # noqa: E402
from server.worker.messages import Grammar  # noqa: E402
from server.worker.runtime.grammar import Grammars  # noqa: E402

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "email": {"type": "string", "format": "email"},
        "tags": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 5},
        "born": {"type": "string", "format": "date"},
        "note": {"type": ["string", "null"], "maxLength": 400},
    },
    "required": ["name", "age", "tags", "note"],
    "additionalProperties": False,
}
ANNA = {
    "name": "Anna Karenina",
    "age": 28,
    "email": "anna@example.com",
    "tags": ["red", "blue"],
    "born": "1849-02-28",
    "note": "All happy families are alike; every unhappy family is unhappy in its own way. " * 4,
}
CITIES = [f"City number {n}" for n in range(2000)]
JSON_GBNF = r"""
root ::= "{" ws (pair ("," ws pair)*)? "}"
pair ::= string ":" ws value
value ::= string | number | root | "[" ws (value ("," ws value)*)? "]" | "true" | "null"
string ::= "\"" ([^"\\\x00-\x1f] | "\\" ["\\nrt])* "\""
number ::= "-"? [0-9]+ ("." [0-9]+)?
ws ::= [ \n]{0,20}
"""
LIST_GBNF = 'root ::= item+\nitem ::= "- " [^\\n]+ "\\n"'


class Row(NamedTuple):
    name: str
    kind: str
    grammar: str
    answer: str


ROWS = [
    Row("a person", "json_schema", checked(PERSON, "schema"), json.dumps(ANNA)),
    Row("any object", "json_schema", '{"type": "object"}', json.dumps(ANNA, indent=2)),
    Row("one of 2,000", "json_schema", json.dumps({"enum": CITIES}), json.dumps(CITIES[1234])),
    Row("JSON as GBNF", "gbnf", JSON_GBNF, json.dumps(ANNA)),
    Row("a list as GBNF", "gbnf", LIST_GBNF, "- bread and butter\n- milk\n" * 10),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=Path, help="a vocabulary in tiktoken's format")
    parser.add_argument("--step-ms", type=float, default=6.0, help="a step of the model `small`")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    words = read(args.tokens) if args.tokens else made_up()
    tokens = words + [b"<|%d|>" % i for i in range(len(words), N_VOCAB)]
    grammars = Grammars(tokens, range(len(words), N_VOCAB))
    before, started = resident_mb(), time.perf_counter()
    grammars.compile(Grammar(kind="gbnf", text='root ::= "a"', end=0))
    took, grown = time.perf_counter() - started, resident_mb() - before
    print(f"{len(words):,} tokens as a tree: {took:.2f} s, {grown:.0f} MB, once\n")
    print("| | begin | a token | of a step | mask | largest | of a step |")
    print("|---|---|---|---|---|---|---|")
    ids = {word: i for i, word in enumerate(words)}
    for row in ROWS:
        print(measured(row, grammars, ids, args))


def measured(row: Row, grammars: Grammars, ids: dict[bytes, int], args: argparse.Namespace) -> str:
    """One row of the table: times in ms and µs, medians of the rounds' means."""
    begin, token, mask, largest = [], [], [], 0.0
    answer = spelt(row.answer.encode(), ids)
    for _ in range(args.rounds):
        started = time.perf_counter()
        matcher = grammars.compile(Grammar(kind=row.kind, text=row.grammar, end=0))
        begin.append(time.perf_counter() - started)
        held = masks = 0.0
        for each in answer:
            started = time.perf_counter()
            matcher.mask()
            took = time.perf_counter() - started
            masks, largest = masks + took, max(largest, took)
            started = time.perf_counter()
            if not matcher.allows(each):
                raise SystemExit(f"{row.name}: the answer is not in the grammar")
            matcher.accept(each)
            if matcher.must_end and not matcher.may_end:
                raise SystemExit(f"{row.name}: the grammar ends too soon")
            held += time.perf_counter() - started
        token.append(held / len(answer))
        mask.append(masks / len(answer))
    once, again, filled = map(statistics.median, (begin, token, mask))
    step = args.step_ms / 1000
    return (
        f"| {row.name} | {once * 1e3:.1f} ms | {again * 1e6:.1f} µs | {again / step:.2%}"
        f" | {filled * 1e3:.2f} ms | {largest * 1e3:.1f} ms | {filled / step:.1%} |"
    )


def spelt(text: bytes, ids: dict[bytes, int]) -> list[int]:
    """A text in tokens, always the longest that fits."""
    spelling = []
    while text:
        length = next(n for n in range(min(len(text), 32), 0, -1) if text[:n] in ids)
        spelling.append(ids[text[:length]])
        text = text[length:]
    return spelling


def made_up() -> list[bytes]:
    """The words of `random_vocabulary` as bytes."""
    byte_of = {char: byte for byte, char in enumerate(byte_alphabet())}
    return [bytes(byte_of[char] for char in word) for word in vocabulary()[0][:N_WORDS]]


def read(path: Path) -> list[bytes]:
    return [base64.b64decode(line.split()[0]) for line in path.read_bytes().splitlines()]


def resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


if __name__ == "__main__":
    main()
