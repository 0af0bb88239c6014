"""Reading GBNF: what is refused and why, and that nothing else ever happens."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.worker.gbnf import rules_of
from server.worker.lark import lark_of
from server.worker.productions import Character, Choice, GrammarError, Repeat, Rule


def test_rules_are_read():
    rules = rules_of('root ::= "a" [b-dx]{2,} | (name)?\n\n# that is all\nname ::= .')
    a, bc = Character(((97, 97),)), Character(((98, 100), (120, 120)))
    assert rules["root"] == Choice(
        (
            (Choice(((a,),)), Repeat(bc, 2, None)),
            (Repeat(Choice(((Rule("name"),),)), 0, 1),),
        )
    )
    # No text holds half of a surrogate pair.
    assert rules["name"] == Choice(((Character(((1, 0xD7FF), (0xE000, 0x10FFFF))),),))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no rule named root"),
        ("   # nothing\n", "no rule named root"),
        ('x ::= "a"', "no rule named root"),
        ("root ::= x", "root needs x, which is not there"),
        ('root ::= "a"\nx ::= y', "x needs y, which is not there"),
        ('root ::= root "a"', "rule root matches ever ends"),
        ('root ::= "a" | x\nx ::= "b" x', "rule x matches ever ends"),
        ('root "a"', "'\"a\"' at line 1, column 6, where ::= should be"),
        ('root ::= "a" "b"\n"c"', "line 2, column 1, where a rule's name should be"),
        ('root ::= "a" )', "where the end of the line should be"),
        ('root ::= ("a"', "where ) should be"),
        ('root ::= "a', "ends inside a literal or a set"),
        ("root ::= [a", "ends inside a literal or a set"),
        ("root ::= []", "a set without characters"),
        ("root ::= [^]", "a set without characters"),
        (r'root ::= "\uD800"', "a set without characters"),
        (r"root ::= [\U00110000]", "a set without characters"),
        (r'root ::= "\q"', r"unknown escape, \q, at line 1"),
        (r'root ::= "\x4"', r"unknown escape, \x"),
        ("root ::= <|end|>", "names a token at line 1, column 10"),
        ("root ::= !<[5]>", "names a token"),
        ('root ::= "a"{2001}', "more than 2000 times"),
        ('root ::= "a"{1,99999999999999999999}', "more than 2000 times"),
        ('root ::= "a"{5,2}', "at least 5 and at most 2"),
        ('root ::= "a"{,2}', "where a count like {2} or {2,5} should be"),
        ('root ::= "a"\nroot ::= "b"', "defines root twice"),
        ("root ::= " + "(" * 1000 + '"a"' + ")" * 1000, "nests more than 50 groups"),
        ('root ::= "a"' + "*" * 1000, "the end of the line"),
        ("root ::= " + '"a" ' * 20_000, "longer than 65536 characters"),
        ("".join(f'r{i} ::= "a"\n' for i in range(1001)), "more than 1000 rules"),
        ('root ::= (("a"{2000}){2000}){2000}', "repeats too much"),
    ],
)
def test_what_cannot_be_followed_has_a_reason(text: str, reason: str):
    with pytest.raises(GrammarError) as caught:
        lark_of(text)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_grammar_without_recursion_is_one_expression():
    assert lark_of('root ::= x | "c"\nx ::= [ab]{2}') == "start: /((([a-b]){2,2})|([c-c]))/\n"


def test_any_other_is_written_character_by_character():
    text = lark_of('root ::= "ab" root? | [a]')
    assert text == "start: r0\nr0: (T0 T1) (r0){0,1} | T0\nT0: /[a-a]/\nT1: /[b-b]/\n"


def test_rules_in_any_order_are_found_to_end():
    chain = [f"r{i} ::= r{i + 1} r{i + 1}" for i in range(900)]
    for rules in (chain, chain[::-1]):
        lark_of("\n".join(["root ::= r0", *rules, 'r900 ::= "a"']))


SYNTAX = st.sampled_from(
    [
        *'"[]()|*+?.^-\\<>!#{},:= \n\t',
        "::=",
        "root",
        "root ::= ",
        "x",
        "{2,5}",
        "[a-z]",
        '"a"',
        "\\x41",
    ]
)


@settings(max_examples=300)
@given(st.lists(SYNTAX | st.characters(), max_size=40).map("".join))
def test_any_text_is_read_or_refused(text: str):
    assert re.match(r"start: (r\d+|/.*/)\n|The grammar|Nothing that ", lark_or_reason(text))


def lark_or_reason(text: str) -> str:
    try:
        return lark_of(text)
    except GrammarError as error:
        return str(error)
