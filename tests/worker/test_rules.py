"""The constraints of one sequence against a slow model that looks at the whole text every time."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.worker.messages import Budget, Grammar, Minimum, Rule, Submit
from server.worker.ports import Bounds, GrammarError, no_grammars
from server.worker.rules import Constraints, Written, constraints_of
from tests.worker.fake_runner import Alphabet, alphabet, submission, within

STOP = 9
ROOM = 40


def compiled(grammar: Grammar) -> Alphabet:
    return Alphabet(grammar.text)


def constraints(**fields: object) -> Constraints:
    found = constraints_of(submission(1, [1], ROOM, stop_ids=[STOP], **fields), compiled)
    assert found is not None
    return found


def draw(constraints: Constraints, *wanted: int) -> list[int]:
    """Draw these, or what is allowed instead, and what is forced; all that is written."""
    text: list[int] = []
    for token in wanted:
        drawn = within(token, constraints.bounds())
        kept, forced = constraints.follow(drawn, ROOM - len(text))
        text += [drawn, *forced] if kept else forced
    return text


def test_a_request_without_any_has_none() -> None:
    assert constraints_of(submission(1, [1]), compiled) is None


def test_a_suffix_forces() -> None:
    rules = constraints(rules=[Rule(suffix=[1, 2], force=[3, 4])])
    assert draw(rules, 1, 2, 2, 1, 2) == [1, 2, 3, 4, 2, 1, 2, 3, 4]


def test_the_first_rule_that_matches_wins() -> None:
    rules = constraints(
        rules=[Rule(suffix=[1, 2], force=[3]), Rule(suffix=[2], force=[4]), Rule(suffix=[2])]
    )
    assert draw(rules, 2, 1, 2) == [2, 4, 1, 2, 3]


def test_instead_takes_the_drawn_token_back() -> None:
    rules = constraints(rules=[Rule(suffix=[1, 2], force=[3, 4], instead=True)])
    assert draw(rules, 1, 2, 2) == [1, 3, 4, 2]


def test_a_stop_id_can_be_replaced() -> None:
    rules = constraints(rules=[Rule(suffix=[STOP], force=[3], instead=True)])
    assert rules.follow(STOP, ROOM) == Written(False, [3])


def test_after_a_stop_id_nothing_is_forced() -> None:
    rules = constraints(rules=[Rule(suffix=[STOP], force=[3]), Rule(suffix=[1], force=[STOP, 4])])
    assert rules.follow(STOP, ROOM) == Written(True, [])
    assert rules.follow(1, ROOM) == Written(True, [STOP])


def test_the_last_forced_token_may_complete_a_suffix() -> None:
    rules = constraints(
        rules=[
            Rule(suffix=[1], force=[2, 3]),
            Rule(suffix=[2], force=[7]),
            Rule(suffix=[3], force=[8], instead=True),
            Rule(suffix=[2, 3], force=[4]),
        ]
    )
    assert draw(rules, 1) == [1, 2, 3, 4]


def test_what_forces_itself_ends_where_the_room_ends() -> None:
    rules = constraints(rules=[Rule(suffix=[1], force=[1])])
    assert rules.follow(1, 5) == Written(True, [1] * 4)
    assert rules.follow(1, 1) == Written(True, [])


def test_an_answer_may_open_with_something() -> None:
    rules = constraints(rules=[Rule(suffix=[], force=[5, 6]), Rule(suffix=[6], force=[7])])
    assert rules.open(ROOM) == [5, 6, 7]
    assert constraints(rules=[Rule(suffix=[], force=[5, 6])]).open(1) == [5]
    assert constraints(rules=[Rule(suffix=[1], force=[5, 6])]).open(ROOM) == []


# --- grammars ------------------------------------------------------------------------------------


def test_a_grammar_bounds_what_follows_until_it_must_end() -> None:
    rules = constraints(rules=[Rule(suffix=[1], force=[2], grammar=alphabet("3,4 1 3", 8))])
    assert rules.bounds() is None
    assert draw(rules, 1) == [1, 2]
    assert draw(rules, 0, 4, 1) == [3, 4, 3, 8]
    assert rules.bounds() is None


@pytest.mark.parametrize("drawn", [STOP, 8])
def test_a_grammar_that_may_end_is_ended_by_any_end_with_its_own(drawn: int) -> None:
    rules = constraints(rules=[Rule(suffix=[], grammar=alphabet("3 1 3", 8))])
    assert rules.open(ROOM) == []
    bounds = rules.bounds()
    assert bounds is not None
    assert bounds.refuses(drawn)
    assert draw(rules, 3) == [3]
    assert not rules.bounds().refuses(drawn)
    assert rules.follow(drawn, ROOM) == Written(drawn == 8, [] if drawn == 8 else [8])
    assert rules.bounds() is None


def test_an_end_that_opens_another_grammar_with_that_end_is_written() -> None:
    first = Rule(suffix=[], grammar=alphabet("3 1 3", 8))
    rules = constraints(rules=[first, Rule(suffix=[8], force=[6], grammar=alphabet("3 1 3", STOP))])
    rules.open(ROOM)
    assert draw(rules, 3) == [3]
    assert rules.follow(STOP, ROOM) == Written(False, [8, 6])


def test_the_end_of_a_grammar_may_complete_a_suffix() -> None:
    rules = constraints(
        rules=[Rule(suffix=[], grammar=alphabet("3 1 1", 8)), Rule(suffix=[3, 8], force=[6])]
    )
    rules.open(ROOM)
    assert rules.follow(3, ROOM) == Written(True, [8, 6])


def test_a_rule_ends_what_an_earlier_one_constrained() -> None:
    rules = constraints(
        rules=[Rule(suffix=[], grammar=alphabet("3,4 1 9", 8)), Rule(suffix=[3, 4], force=[6])]
    )
    rules.open(ROOM)
    assert draw(rules, 3, 4, 0) == [3, 4, 6, 0]


def test_an_empty_text_ends_at_once() -> None:
    rules = constraints(rules=[Rule(suffix=[1], grammar=alphabet("3 0 0", 8))])
    assert rules.follow(1, ROOM) == Written(True, [8])


def test_a_grammar_that_cannot_be_used_says_so() -> None:
    rules = constraints_of(
        submission(1, [1], rules=[Rule(suffix=[], grammar=alphabet("3 1 1", 8))]), no_grammars
    )
    with pytest.raises(GrammarError, match="knows no grammars"):
        rules.open(ROOM)


# --- budget and minimum --------------------------------------------------------------------------


def test_an_open_stretch_is_left_when_the_budget_is_spent() -> None:
    rules = constraints(budget=Budget(tokens=4, begin=[1, 1], end=[2], force=[2, 5]))
    assert draw(rules, 1, 1, 0, 0, 0) == [1, 1, 0, 0, 2, 5, 0]


def test_a_stretch_that_is_closed_or_not_begun_is_not_left() -> None:
    rules = constraints(budget=Budget(tokens=3, begin=[1], end=[2], force=[2, 5]))
    assert draw(rules, 1, 0, 2, 0, 0) == [1, 0, 2, 0, 0]
    assert draw(rules, 1) == [1, 2, 5]


def test_no_budget_at_all_leaves_a_stretch_where_it_begins() -> None:
    rules = constraints(budget=Budget(tokens=0, begin=[], end=[2], force=[2]))
    assert rules.open(ROOM) == [2]
    assert draw(rules, 0, 0) == [0, 0]


def test_a_budget_ends_a_grammar() -> None:
    rules = constraints(
        budget=Budget(tokens=2, begin=[], end=[2], force=[2]),
        rules=[Rule(suffix=[], grammar=alphabet("3 5 9", 8))],
    )
    rules.open(ROOM)
    assert draw(rules, 3, 3, 0) == [3, 3, 2, 0]


def test_stop_ids_are_barred_until_the_minimum_is_there() -> None:
    rules = constraints(minimum=Minimum(tokens=2, after=[1]))
    for token in (0, 0, 1, 0):
        assert rules.bounds() == Bounds(None, frozenset([STOP]), may_stop=False)
        rules.follow(token, ROOM)
    rules.follow(0, ROOM)
    assert rules.bounds() is None
    rules.follow(1, ROOM)
    assert rules.bounds() is not None


def test_a_minimum_holds_a_grammar_open() -> None:
    rules = constraints(
        minimum=Minimum(tokens=3, after=[]), rules=[Rule(suffix=[], grammar=alphabet("3 1 9", 8))]
    )
    rules.open(ROOM)
    for _ in range(3):
        assert rules.bounds().refuses(8)
        rules.follow(3, ROOM)
    assert not rules.bounds().refuses(8)


# --- the slow model ------------------------------------------------------------------------------


@dataclass
class Slow:
    """The contract of the frames, read out loud."""

    submit: Submit
    text: list[int] = field(default_factory=list)
    drawn: list[bool] = field(default_factory=list)
    left_at: list[int] = field(default_factory=list)
    grammar: Grammar | None = None
    matcher: Alphabet | None = None

    @property
    def over(self) -> bool:
        return len(self.text) >= ROOM or bool(self.text and self.text[-1] in self.submit.stop_ids)

    def ends_with(self, suffix: Sequence[int], text: Sequence[int]) -> bool:
        return len(suffix) > 0 and list(text[len(text) - len(suffix) :]) == list(suffix)

    def matching(self, text: list[int], drawn: bool) -> Rule | None:
        fitting = [r for r in self.submit.rules if self.ends_with(r.suffix, text)]
        return next((r for r in fitting if drawn or not r.instead), None)

    def bounds(self) -> Bounds | None:
        barred = False
        if minimum := self.submit.minimum:
            lengths = range(len(self.text) + 1)
            starts = [n for n in lengths if self.ends_with(minimum.after, self.text[:n])]
            starts = starts if minimum.after else [0]
            since = len(self.text) - starts[-1] if starts else -1
            barred = minimum.tokens > 0 and (since < 0 or since < minimum.tokens)
        stops = set(self.submit.stop_ids)
        if self.matcher is None:
            return Bounds(None, frozenset(stops), False) if barred else None
        assert self.grammar is not None
        stops.add(self.grammar.end)
        return Bounds(self.matcher, frozenset(stops), not barred and self.matcher.may_end)

    def is_open(self) -> bool:
        budget = self.submit.budget
        assert budget is not None
        is_open = not budget.begin
        for n in range(len(self.text) + 1):
            if n and self.ends_with(budget.begin, self.text[:n]):
                is_open = True
            elif n and self.ends_with(budget.end, self.text[:n]):
                is_open = False
            if n in self.left_at:
                is_open = False
        return is_open

    def start(self) -> None:
        rule = next((r for r in self.submit.rules if not r.suffix), None)
        self.fire(rule) if rule else self.settle()

    def take(self, token: int) -> None:
        if self.matcher is not None and token in self.bounds().stops:
            self.end_grammar()
            return
        rule = self.matching([*self.text, token], drawn=True)
        if rule is not None and rule.instead:
            self.fire(rule)
            return
        self.text.append(token)
        if self.matcher is not None:
            self.matcher.accept(token)
        if not self.over:
            self.fire(rule) if rule else self.settle()

    def fire(self, rule: Rule) -> None:
        self.matcher = None
        self.force(rule.force, rule.grammar)

    def force(self, ids: list[int], grammar: Grammar | None) -> None:
        for token in ids:
            self.text.append(token)
            if self.over:
                return
        if ids and (rule := self.matching(self.text, drawn=False)):
            self.fire(rule)
            return
        if grammar is not None:
            self.grammar, self.matcher = grammar, Alphabet(grammar.text)
        self.settle()

    def end_grammar(self) -> None:
        assert self.grammar is not None
        self.matcher = None
        self.force([self.grammar.end], None)

    def settle(self) -> None:
        if self.matcher is not None and self.matcher.must_end:
            self.end_grammar()
            return
        budget = self.submit.budget
        if budget and len(self.text) >= budget.tokens and self.is_open():
            self.left_at.append(len(self.text))
            self.matcher = None
            self.force(budget.force, None)


IDS = st.integers(0, 4)
SHORT = st.lists(IDS, max_size=3)
FORCED = st.lists(st.sampled_from([0, 1, 2, 3, 4, 4, STOP]), max_size=3)
GRAMMARS = st.builds(
    lambda ids, least, more, end: alphabet(
        f"{','.join(map(str, ids))} {least} {least + more}", end
    ),
    st.sets(st.integers(0, 3), min_size=1),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([4, 8, STOP]),
)
PLAIN = st.builds(
    Rule, suffix=SHORT, force=FORCED, grammar=st.none() | GRAMMARS, instead=st.just(False)
)
INSTEAD = st.builds(
    Rule,
    suffix=st.lists(st.sampled_from([0, 1, 2, STOP]), min_size=1, max_size=2),
    force=st.lists(IDS, min_size=1, max_size=2),
    grammar=st.none() | GRAMMARS,
    instead=st.just(True),
)
BUDGETS = st.builds(Budget, tokens=st.integers(0, 12), begin=SHORT, end=SHORT, force=SHORT)
MINIMA = st.builds(Minimum, tokens=st.integers(0, 5), after=st.lists(IDS, max_size=2))
SUBMITS = st.builds(
    lambda rules, budget, minimum: submission(
        1, [1], ROOM, stop_ids=[STOP], rules=rules, budget=budget, minimum=minimum
    ),
    st.lists(PLAIN | INSTEAD, max_size=4),
    st.none() | BUDGETS,
    st.none() | MINIMA,
)
WISHES = st.lists(st.sampled_from([0, 1, 2, 3, 4, 8, STOP]), max_size=ROOM)


@given(submit=SUBMITS, wishes=WISHES)
@settings(max_examples=500, deadline=None)
def test_constraints_do_what_the_frames_say(submit: Submit, wishes: list[int]) -> None:
    quick, slow = Constraints(submit, compiled), Slow(submit)
    text = quick.open(ROOM)
    slow.start()
    for wish in wishes:
        assert text == slow.text
        if slow.over:
            return
        quick_bounds, slow_bounds = quick.bounds(), slow.bounds()
        answers = [
            [bounds is not None and bounds.refuses(token) for token in range(10)]
            for bounds in (quick_bounds, slow_bounds)
        ]
        assert answers[0] == answers[1]
        token = within(wish, quick_bounds)
        kept, forced = quick.follow(token, ROOM - len(text))
        text += [token, *forced] if kept else forced
        slow.take(token)
    assert text == slow.text
