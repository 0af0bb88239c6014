"""Answers within a GBNF grammar: the same language as llama.cpp's own sampler."""

import ctypes
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import llama_cpp.llama_cpp as llama
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.worker.messages import Grammar
from server.worker.productions import GrammarError
from server.worker.runtime.grammar import TokenMatcher
from server.worker.runtime.load import Runtime
from tests.worker.runtime.walks import Walker

JSON = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"""
GRAMMARS = [
    JSON,
    'root ::= "yes" | "no" | "may" "be"?',
    'root ::= [a-z]* "end"',
    'root ::= item+\nitem ::= "- " [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ "\\n"',
    'root ::= "(" root ")" | [0-9]{2,3}',
    'root ::= expr # sums\nexpr ::= term ("+" term)*\nterm ::= [0-9] | "(" expr ")"',
    'root ::= "é" [а-яё]+ ("😀" | "\\U0001F601"){1,2}',
    'root ::= pair | ""\npair ::= "a" pair "b" |\n  "ab"',
    "root ::= . . .",
    'root ::= [^a-y] ["\\]\\\\-]',
    'root ::= ("a"? "b"?){3}',
    'root ::= x x\nx ::= "a" | "aa" | "aaa" x',
]
seeds = st.integers(0, 2**32)
relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))


def is_text(token: bytes) -> bool:
    try:
        return token.decode() != "\0"
    except UnicodeDecodeError:
        return False


class Oracle:
    """llama.cpp's own grammar sampler; it knows no NUL."""

    def __init__(self, runtime: Runtime, text: str) -> None:
        self._sampler = llama.llama_sampler_init_grammar(
            runtime.model.vocab, text.encode(), b"root"
        )
        assert self._sampler
        self._end = runtime.loaded.end_ids[0]

    def allowed(self, tokens: list[int]) -> list[bool]:
        rows = (llama.llama_token_data * len(tokens))()
        for row, token in zip(rows, tokens, strict=True):
            row.id, row.logit, row.p = token, 0.0, 0.0
        array = llama.llama_token_data_array(rows, len(tokens), -1, False)
        llama.llama_sampler_apply(self._sampler, ctypes.byref(array))
        return [row.logit == 0.0 for row in rows]

    def may_end(self) -> bool:
        return self.allowed([self._end])[0]

    def accept(self, token: int) -> None:
        llama.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        llama.llama_sampler_free(self._sampler)


@pytest.fixture
def oracles(runtime: Runtime) -> Iterator[Any]:
    made: list[Oracle] = []

    def make(text: str) -> Oracle:
        made.append(Oracle(runtime, text))
        return made[-1]

    yield make
    for oracle in made:
        oracle.close()


@pytest.mark.parametrize("text", GRAMMARS)
@settings(relaxed, max_examples=8)
@given(seed=seeds)
def test_the_language_is_that_of_llama_cpp(tiny: Walker, oracles: Any, text: str, seed: int):
    chance = random.Random(seed)
    matcher, oracle = tiny.compile("gbnf", text), oracles(text)
    # In the middle of a character llama.cpp lets pass what is no UTF-8, and not all that is.
    words = [i for i, token in enumerate(tiny.tokens) if i not in tiny.hidden and is_text(token)]
    for _ in range(25):
        mask = matcher.mask()
        assert [bool(mask[token]) for token in words] == oracle.allowed(words)
        assert matcher.may_end == oracle.may_end()
        allowed = [token for token in words if mask[token]]
        if not allowed:
            assert matcher.must_end
            return
        token = chance.choice(allowed)
        assert matcher.allows(token)
        matcher.accept(token)
        oracle.accept(token)


@settings(relaxed, max_examples=100)
@given(st.sampled_from([JSON, *(text for text in GRAMMARS if "[a-z]*" not in text)]), seeds)
def test_a_drawn_text_is_complete(tiny: Walker, text: str, seed: int):
    drawn = tiny.draw(tiny.compile("gbnf", text), random.Random(seed))
    again = tiny.compile("gbnf", text)
    assert tiny.feed(again, drawn) == drawn
    assert again.may_end


@pytest.mark.parametrize(
    ("text", "sample", "ends"),
    [
        ('root ::= [a-z]+ "end"', "blend", True),
        ('root ::= a "x" | "b"\na ::= root | ""', "bxx", True),  # recursion on the left
        ('root ::= root root | "a"', "aaaa", True),
        ('root ::= ("a" | "b" root){0,100}', "ab", True),
        ('root ::= (("a"?)*)*', "aaa", True),
        ("root ::= .{2000}", "a", False),
    ],
)
def test_what_llama_cpp_cannot_follow_or_only_slowly_is_followed_too(
    tiny: Walker, text: str, sample: str, ends: bool
):
    matcher = tiny.compile("gbnf", text)
    assert tiny.feed(matcher, sample) == sample
    assert matcher.may_end == ends


def test_an_empty_text_may_be_all_there_is(tiny: Walker):
    matcher = tiny.compile("gbnf", 'root ::= ""')
    assert matcher.may_end
    assert not matcher.mask().any()
    assert matcher.must_end


def test_ambiguity_without_end_is_followed_in_bounded_time(tiny: Walker):
    # Every a doubles what llama.cpp keeps in mind.
    matcher = tiny.compile("gbnf", 'root ::= "a" root "b" | "a" root "c" | "d"')
    assert tiny.feed(matcher, "a" * 200 + "d" + "bc" * 100) == "a" * 200 + "d" + "bc" * 100
    assert matcher.must_end


def test_control_tokens_are_never_text(tiny: Walker):
    matcher = tiny.compile("gbnf", "root ::= .*")
    mask = matcher.mask()
    for token in tiny.hidden:
        assert not mask[token]
        assert not matcher.allows(token)


def test_a_grammar_that_cannot_be_read_has_a_reason(tiny: Walker):
    assert tiny.grammars.check(Grammar(kind="gbnf", text="root ::= x", end=0)) == (
        "The grammar's rule root needs x, which is not there."
    )
    assert tiny.grammars.check(Grammar(kind="gbnf", text=JSON, end=0)) is None


ITEMS = st.recursive(
    st.sampled_from(['"a"', '"bc"', "[ab]", "[^a]", ".", "root", "x", "y", '""']),
    lambda inner: st.one_of(
        inner.map(lambda item: f"{item}*"),
        inner.map(lambda item: f"{item}{{2,3}}"),
        st.lists(inner, max_size=3).map(
            lambda items: f"({' '.join(items)} | {' '.join(items[:1])})"
        ),
    ),
    max_leaves=8,
)


@settings(relaxed, max_examples=100)
@given(st.tuples(ITEMS, ITEMS, ITEMS), seeds)
def test_any_grammar_is_followed_or_refused(tiny: Walker, items: tuple[str, str, str], seed: int):
    text = "\n".join(
        f"{name} ::= {item}" for name, item in zip(("root", "x", "y"), items, strict=True)
    )
    if tiny.grammars.check(Grammar(kind="gbnf", text=text, end=0)) is not None:
        return
    matcher, chance = tiny.compile("gbnf", text), random.Random(seed)
    # A few repeat repetitions of repetitions too often to be followed far.
    with suppress(GrammarError):
        follow(matcher, chance)


def follow(matcher: TokenMatcher, chance: random.Random) -> None:
    for _ in range(20):
        allowed = matcher.mask().nonzero()[0]
        assert matcher.may_end or allowed.size
        assert matcher.must_end == (not allowed.size)
        if not allowed.size:
            return
        matcher.accept(int(chance.choice(allowed)))
