"""The constraints of one sequence: what is written without being drawn, and what may be drawn.

Fed with every token that is drawn. Knows ids only: neither text nor logits.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from server.worker.messages import Budget, Grammar, Minimum, Rule, Submit
from server.worker.ports import Bounds, Compile, Matcher

# Ids to be written, and the grammar of what comes after them.
Due: TypeAlias = tuple[list[int], Grammar | None]


class Written(NamedTuple):
    """What came of a drawn token: whether it is `kept`, and what follows it or replaces it."""

    kept: bool
    forced: list[int]


class Constraints:
    """The rules, the budget and the minimum of one request, and how far the answer has come.

    Every token costs the same, however long the answer is. Errors of `open` and `follow`:
    GrammarError.
    """

    def __init__(self, submit: Submit, compiled: Compile) -> None:
        self._compile = compiled
        self._stop_ids = frozenset(submit.stop_ids)
        self._start = next((rule for rule in submit.rules if not rule.suffix), None)
        self._rules = _by_last_id(submit.rules)
        self._stretch = _Stretch(submit.budget) if submit.budget else None
        self._floor = _Floor(submit.minimum) if submit.minimum else None
        self._tail = _Tail(_suffixes(submit))
        self._matcher: Matcher | None = None
        self._end = -1
        # While no matcher is armed, and while one is.
        self._outside = Bounds(None, self._stop_ids, may_stop=False)
        self._stops = self._stop_ids

    def open(self, room: int) -> list[int]:
        """What is written before the first token is drawn, at most `room` tokens. Call it once."""
        start = self._start
        return self._write((start.force, start.grammar) if start else self._due(), room)

    def bounds(self) -> Bounds | None:
        """What may be drawn next; None: anything."""
        is_barred = self._floor is not None and self._floor.is_barred
        if self._matcher is None:
            return self._outside if is_barred else None
        return Bounds(self._matcher, self._stops, not is_barred and self._matcher.may_end)

    def follow(self, token: int, room: int) -> Written:
        """This token, within the bounds, was drawn: what is written now, at most `room` tokens. A
        stop id is the last of them.
        """
        if self._matcher is not None and token in self._stops:
            # What is written may open another grammar, with another end.
            is_end = token == self._end
            written = self._write(([self._end], None), room)
            return Written(is_end, written[1:] if is_end else written)
        self._tail.append(token)
        rule = self._match(token, is_drawn=True)
        if rule is not None and rule.instead:
            self._tail.pop()
            return Written(False, self._write((rule.force, rule.grammar), room))
        self._count()
        if self._matcher is not None:
            self._matcher.accept(token)
        if token in self._stop_ids:
            return Written(True, [])
        due = (rule.force, rule.grammar) if rule else self._due()
        return Written(True, self._write(due, room - 1))

    def _write(self, due: Due | None, room: int) -> list[int]:
        """Write what is due, and what becomes due by it."""
        written: list[int] = []
        while due is not None and len(written) < room:
            force, grammar = due
            self._matcher = None
            for token in force:
                written.append(token)
                self._tail.append(token)
                self._count()
                if token in self._stop_ids or len(written) == room:
                    return written
            due = self._after(force, grammar)
        return written

    def _after(self, force: list[int], grammar: Grammar | None) -> Due | None:
        if force and (rule := self._match(force[-1], is_drawn=False)):
            return rule.force, rule.grammar
        if grammar is not None:
            self._matcher = self._compile(grammar)
            self._end = grammar.end
            self._stops = self._stop_ids | {grammar.end}
        return self._due()

    def _due(self) -> Due | None:
        """What must be written whatever the rules say."""
        if self._matcher is not None and self._matcher.must_end:
            return [self._end], None
        if self._stretch is not None and self._stretch.is_spent:
            return self._stretch.leave(), None
        return None

    def _match(self, last: int, is_drawn: bool) -> Rule | None:
        """The first rule whose suffix ends the text. What was forced cannot be taken back."""
        for rule in self._rules.get(last, ()):
            if (is_drawn or not rule.instead) and self._tail.ends_with(rule.suffix):
                return rule
        return None

    def _count(self) -> None:
        if self._stretch is not None:
            self._stretch.count(self._tail)
        if self._floor is not None:
            self._floor.count(self._tail)


def constraints_of(submit: Submit, compiled: Compile) -> Constraints | None:
    """The constraints of a request; None where it has none."""
    if not submit.rules and submit.budget is None and submit.minimum is None:
        return None
    return Constraints(submit, compiled)


class _Tail:
    """The last tokens, as many as the longest suffix has and one more, which may be taken back."""

    def __init__(self, suffixes: Iterable[list[int]]) -> None:
        self._length = 1 + max(map(len, suffixes), default=0)
        self._tokens: list[int] = []

    def append(self, token: int) -> None:
        self._tokens.append(token)
        if len(self._tokens) > 2 * self._length:
            del self._tokens[: -self._length]

    def pop(self) -> None:
        self._tokens.pop()

    def ends_with(self, suffix: list[int]) -> bool:
        """Never true of an empty suffix."""
        return bool(suffix) and self._tokens[-len(suffix) :] == suffix


class _Stretch:
    """Whether the text is in a stretch that its budget bounds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._is_open = not budget.begin
        self._left = budget.tokens

    @property
    def is_spent(self) -> bool:
        return self._is_open and self._left <= 0

    def leave(self) -> list[int]:
        self._is_open = False
        return self._budget.force

    def count(self, tail: _Tail) -> None:
        """One more token, the last of the tail."""
        self._left -= 1
        if tail.ends_with(self._budget.begin):
            self._is_open = True
        elif tail.ends_with(self._budget.end):
            self._is_open = False


class _Floor:
    """Whether the text is too short to stop."""

    def __init__(self, minimum: Minimum) -> None:
        self._minimum = minimum
        self._has_begun = not minimum.after
        self._left = minimum.tokens

    @property
    def is_barred(self) -> bool:
        return self._left > 0

    def count(self, tail: _Tail) -> None:
        """One more token, the last of the tail."""
        if tail.ends_with(self._minimum.after):
            self._has_begun = True
            self._left = self._minimum.tokens
        elif self._has_begun:
            self._left -= 1


def _by_last_id(rules: list[Rule]) -> dict[int, list[Rule]]:
    found: dict[int, list[Rule]] = {}
    for rule in rules:
        if rule.suffix:
            found.setdefault(rule.suffix[-1], []).append(rule)
    return found


def _suffixes(submit: Submit) -> list[list[int]]:
    suffixes = [rule.suffix for rule in submit.rules]
    if submit.budget:
        suffixes += [submit.budget.begin, submit.budget.end]
    if submit.minimum:
        suffixes.append(submit.minimum.after)
    return suffixes
