"""Answers within a JSON schema: whatever is drawn fits, and whatever fits can be drawn."""

import json
import random
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.worker.messages import Grammar
from server.worker.productions import GrammarError
from server.worker.runtime import grammar
from server.worker.runtime.grammar import Grammars
from tests.worker.runtime.schema_cases import Case, assert_fits, cases, text_of
from tests.worker.runtime.walks import Walker

SPELLINGS: list[dict[str, Any]] = [{}, {"separators": (",", ":")}, {"indent": 2}, {"indent": "\t"}]
TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "maxLength": 20},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
            },
            "required": ["name", "children"],
            "additionalProperties": False,
        }
    },
}
seeds = st.integers(0, 2**32)
relaxed = settings(deadline=None, suppress_health_check=list(HealthCheck))
many = settings(relaxed, max_examples=300)
few = settings(relaxed, max_examples=25)


@many
@given(cases, seeds)
def test_what_is_drawn_fits_the_schema(tiny: Walker, case: Case, seed: int):
    matcher = tiny.compile("json_schema", text_of(case.schema))
    text = tiny.draw(matcher, random.Random(seed))
    assert_fits(case.schema, text)


@many
@given(st.data(), cases, seeds, st.sampled_from(SPELLINGS))
def test_what_fits_the_schema_can_be_drawn(
    tiny: Walker, data: st.DataObject, case: Case, seed: int, spelling: dict[str, Any]
):
    text = json.dumps(data.draw(case.values), ensure_ascii=False, **spelling)
    matcher = tiny.compile("json_schema", text_of(case.schema))
    assert tiny.feed(matcher, text, random.Random(seed)) == text
    assert matcher.may_end


@few
@given(cases, seeds)
def test_the_real_vocabulary_is_matched_too(o200k: Walker, case: Case, seed: int):
    matcher = o200k.compile("json_schema", text_of(case.schema))
    assert_fits(case.schema, o200k.draw(matcher, random.Random(seed)))


@few
@given(seeds)
def test_recursive_schemas_come_to_an_end(tiny: Walker, seed: int):
    matcher = tiny.compile("json_schema", text_of(TREE))
    assert_fits(TREE, tiny.draw(matcher, random.Random(seed)))


def passed(tiny: Walker, schema: Any, text: str) -> str:
    matcher = tiny.compile("json_schema", text_of(schema))
    return tiny.feed(matcher, text)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"a": 1, "b": [1, 2]}',
        '{"a":1,"b":[]}',
        '{\n  "a": {\n    "b": null\n  }\n}',
        '{"a": "\\n\\"\\\\ é 😀"}',
        '{"a": -1.5e+10}',
    ],
)
def test_an_object_may_be_written_in_every_usual_way(tiny: Walker, text: str):
    assert passed(tiny, {"type": "object"}, text) == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("{  }", "{ "),  # at most one blank,
        ("{\n\n}", "{\n"),  # at most one new line,
        ("{\n" + " " * 40, "{\n" + " " * 32),  # and as much indentation as anyone needs
        (" {}", ""),
        ("{} ", "{}"),
        ('{"\\u0061": 1}', '{"\\'),  # a string has one spelling
        ('{"a": "\\ud800"}', '{"a": "\\'),
        ('{"a": "\\/"}', '{"a": "\\'),
        ('{"a": "\x1f"}', '{"a": "'),
        ('{"a": 01}', '{"a": 0'),
        ('{"a": NaN}', '{"a": '),
        ("[]", ""),
    ],
)
def test_nothing_else_is_written(tiny: Walker, text: str, kept: str):
    assert passed(tiny, {"type": "object"}, text) == kept


@pytest.mark.parametrize("text", ["0", "0.0", "-0", "0.00", "0.6", "-0.1"])
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
        {"type": "number", "allOf": [{"exclusiveMinimum": 0}, {"maximum": 0.5}]},
    ],
)
def test_an_exclusive_bound_is_not_reached(tiny: Walker, schema: Any, text: str):
    matcher = tiny.compile("json_schema", text_of(schema))
    assert tiny.feed(matcher, text) != text or not matcher.may_end


def test_what_lies_within_exclusive_bounds_is_reached(tiny: Walker):
    for schema, text in (
        ({"exclusiveMinimum": 0, "maximum": 0.5}, "0.000001"),
        ({"exclusiveMaximum": 0, "minimum": -0.5}, "-0.000001"),
        ({"exclusiveMinimum": 7, "exclusiveMaximum": 8}, "7.25"),
    ):
        matcher = tiny.compile("json_schema", text_of({"type": "number"} | schema))
        assert tiny.feed(matcher, text) == text
        assert matcher.may_end


def test_a_property_comes_once(tiny: Walker):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    assert passed(tiny, schema, '{"a": 1, "a": 2}') == '{"a": 1, "a'
    assert passed(tiny, schema, '{"a": 1, "ab": "x"}') == '{"a": 1, "ab": "x"}'
    assert passed(tiny, schema, '{"ab": "x", "a"') == '{"ab": "x", "a'


def test_control_tokens_are_never_text(tiny: Walker):
    matcher = tiny.compile("json_schema", "{}")
    matcher.accept(tiny.tokens_of('"')[0])
    mask = matcher.mask()
    for token in tiny.hidden:
        assert not mask[token]
        assert not matcher.allows(token)
    with pytest.raises(GrammarError, match="not in the grammar"):
        matcher.accept(min(tiny.hidden))


def test_mask_is_a_row_of_the_vocabulary(tiny: Walker):
    mask = tiny.compile("json_schema", '{"type": "null"}').mask()
    assert mask.dtype == np.bool_
    assert mask.shape == (len(tiny.tokens),)
    assert {tiny.tokens[i] for i in mask.nonzero()[0]} <= {b"n", b"nu", b"nul", b"null"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "no JSON schema"),
        ("[1]", "no JSON schema"),
        ('{"minimum": NaN}', "no JSON schema"),
        ("false", "Unsatisfiable"),
        ('{"not": {}}', "Unimplemented keys"),
        ('{"$ref": "#"}', "leads nowhere"),
        ('{"type": "string", "pattern": "("}', "unclosed group"),
        ('{"title": "' + "x" * 600_000 + '"}', "longer than"),
        ("[" * 100_000, "no JSON schema"),
        ('{"anyOf": [' * 100 + "{}" + "]}" * 100, "recursion limit"),
    ],
)
def test_a_grammar_that_cannot_be_followed_has_a_reason(tiny: Walker, text: str, reason: str):
    found = tiny.grammars.check(Grammar(kind="json_schema", text=text, end=0))
    assert found is not None
    assert reason in found
    assert "\n" not in found


def test_a_grammar_that_can_be_followed_has_none(tiny: Walker):
    assert tiny.grammars.check(Grammar(kind="json_schema", text="{}", end=0)) is None


def test_a_text_that_becomes_too_complex_fails_and_stays_failed(
    tiny: Walker, monkeypatch: pytest.MonkeyPatch
):
    # After every letter, each of the last 300 may have been the one before the end.
    monkeypatch.setattr(grammar, "MAX_LEXER_STATES", 2000)
    schema = {"type": "string", "pattern": "^[ab]*a[ab]{300}c$"}
    matcher = tiny.compile("json_schema", text_of(schema))
    letters = "".join(random.Random(1).choices("ab", k=5000))
    with pytest.raises(GrammarError, match="too many"):
        tiny.feed(matcher, f'"{letters}')
    with pytest.raises(GrammarError):
        matcher.mask()


def test_grammars_are_checked_while_another_thread_draws(tiny: Walker):
    grammars = Grammars(tiny.tokens, sorted(tiny.hidden))
    text = text_of(TREE)
    reasons: list[str | None] = []

    def check() -> None:
        for _ in range(20):
            reasons.append(grammars.check(Grammar(kind="json_schema", text=text, end=0)))

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for seed in range(5):
        matcher = grammars.compile(Grammar(kind="json_schema", text=text, end=0))
        assert_fits(TREE, tiny.draw(matcher, random.Random(seed)))
    for thread in threads:
        thread.join()
    assert reasons == [None] * 80
