"""Whatever clients and llama.cpp do, in whatever order: every request ends once, with the right
tokens, and no slot is lost.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from server.worker.messages import Accepted, Rule, Submit
from tests.worker.fake_runner import (
    VOCABULARY,
    Desk,
    alphabet,
    constrained_answer,
    copied_token,
    submission,
)

SLOTS = 3
QUEUE_LIMIT = 2
SNAPSHOT_BYTES = 1000
POISON = VOCABULARY - 1
# Many begin alike, so that they wait for each other and share what was computed.
PROMPTS = st.builds(
    lambda alike, tail: [7] * alike + tail,
    st.sampled_from([0, 35, 36, 70]),
    st.lists(st.integers(0, 50), min_size=1, max_size=40),
)
# What is forced is longer than a step, or leads to a grammar, or to the next rule.
RULES = st.lists(
    st.sampled_from(
        [
            Rule(suffix=[], force=[3, 4]),
            Rule(suffix=[], grammar=alphabet("5,6,7 2 3", 8)),
            Rule(suffix=[8], force=list(range(100, 120))),
            Rule(suffix=[4], force=[9, 8]),
        ]
    ),
    max_size=4,
)


class SchedulerStates(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(
            slots=SLOTS, batch_tokens=16, queue_limit=QUEUE_LIMIT, snapshot_bytes=SNAPSHOT_BYTES
        )
        self.desk.runner.seconds = lambda streams, prompt: 0.1 * streams + 0.05 * prompt
        self.desk.runner.poison = {POISON}
        # Guesses come true, and are worth their time.
        self.desk.runner.says = copied_token
        self.asked: dict[int, Submit | None] = {}
        self.may_fail: set[int] = set()

    @rule(prompt=PROMPTS, count=st.integers(1, 30), poisoned=st.booleans(), rules=RULES)
    def submit(self, prompt: list[int], count: int, poisoned: bool, rules: list[Rule]) -> None:
        request = len(self.asked)
        prompt = [*prompt, POISON] if poisoned else prompt
        if poisoned:
            self.may_fail.add(request)
        report = self.desk.submit(request, prompt, count, rules=rules)
        accepted = isinstance(report, Accepted)
        # Ids are never used twice here.
        submit = submission(request, prompt, count, rules=rules)
        self.asked[request] = submit if accepted else None

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        request = data.draw(st.integers(0, len(self.asked)))
        self.desk.scheduler.cancel(request)

    @rule()
    def step(self) -> None:
        self.desk.step()

    @rule()
    def break_once(self) -> None:
        self.desk.runner.broken = 1
        batch = self.desk.step()
        if batch is not None and len(batch.spans) == 1:
            self.may_fail.update(self.desk.ended)
        self.desk.runner.broken = 0

    @rule()
    def rewind(self) -> None:
        batch = self.desk.scheduler.plan()
        if batch is not None:
            self.desk.scheduler.rewind(batch)

    @rule()
    def abandon(self) -> None:
        batch = self.desk.scheduler.plan()
        if batch is not None:
            self.may_fail |= self.desk.scheduler.requests(batch)
            self.desk.scheduler.abandon(batch, "abandoned")
            self.desk.collect()

    @invariant()
    def slots_hold_what_is_alive(self) -> None:
        step = self.desk.scheduler.report()
        held = sum(slot is not None for slot in self.desk.runner.slots)
        assert held <= SLOTS
        if step is not None:
            self.desk.keep(step)
            assert step.running == held
            assert step.waiting <= QUEUE_LIMIT + SLOTS

    def teardown(self) -> None:
        self.desk.finish()
        accepted = {request for request, submit in self.asked.items() if submit}
        assert self.desk.ended.keys() == accepted
        for request, end in self.desk.ended.items():
            whole = constrained_answer(self.asked[request], copied_token)
            told = self.desk.tokens.get(request, [])
            assert told == whole[: len(told)]
            if end.reason == "failed":
                assert request in self.may_fail
            elif end.reason != "cancelled":
                assert (end.reason, told) == ("length", whole)


TestSchedulerStates = SchedulerStates.TestCase
TestSchedulerStates.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
