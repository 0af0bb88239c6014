"""The cost of grammars is measured on answers that the grammars really match."""

import argparse

import pytest
from grammar_cost import ROWS, Row, made_up, measured, spelt

from server.worker.runtime.grammar import Grammars

WORDS = [bytes([byte]) for byte in range(256)] + [b"the ", b'": "', b"and", b"City"]
IDS = {word: i for i, word in enumerate(WORDS)}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_is_measured(row: Row):
    args = argparse.Namespace(rounds=1, step_ms=6.0)
    line = measured(row, Grammars(WORDS, []), IDS, args)
    assert line.startswith(f"| {row.name} | ")
    assert line.count("|") == 8


def test_an_answer_beside_the_grammar_is_told():
    row = Row("wrong", "gbnf", 'root ::= "a"', "b")
    with pytest.raises(SystemExit, match="wrong: the answer is not in the grammar"):
        measured(row, Grammars(WORDS, []), IDS, argparse.Namespace(rounds=1, step_ms=6.0))


def test_made_up_words_spell_every_text():
    words = made_up()
    ids = {word: i for i, word in enumerate(words)}
    text = 'Größe: "7"\n'.encode()
    assert b"".join(words[i] for i in spelt(text, ids)) == text
