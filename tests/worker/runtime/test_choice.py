"""Choices between sequences of tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.worker.messages import Grammar
from server.worker.ports import GrammarError, no_grammars
from server.worker.runtime.choice import ChoiceMatcher, with_choices

SIZE = 6
IDS = st.integers(0, SIZE - 1)
CHOICES = st.lists(st.lists(IDS, max_size=4), min_size=1, max_size=5)


@given(CHOICES, st.data())
def test_what_is_drawn_is_one_of_them(choices: list[list[int]], data: st.DataObject) -> None:
    matcher = ChoiceMatcher(choices, SIZE)
    drawn: list[int] = []
    while not matcher.must_end:
        following = np.flatnonzero(matcher.mask()).tolist()
        expected = {c[len(drawn)] for c in choices if c[: len(drawn)] == drawn != c}
        assert set(following) == expected
        assert [matcher.allows(token) for token in range(SIZE)] == matcher.mask().tolist()
        assert matcher.may_end == (drawn in choices)
        if matcher.may_end and data.draw(st.booleans()):
            break
        token = data.draw(st.sampled_from(following))
        matcher.accept(token)
        drawn.append(token)
    assert matcher.may_end
    assert drawn in choices


def test_other_grammars_are_left_to_another_compiler() -> None:
    compiled = with_choices(no_grammars, SIZE)
    matcher = compiled(Grammar(kind="choice", choices=[[1]], end=2))
    assert matcher.allows(1)
    with pytest.raises(GrammarError):
        compiled(Grammar(kind="gbnf", text="root ::= [a-z]", end=2))
