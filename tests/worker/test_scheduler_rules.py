"""Rules, budgets, minimums and grammars through the scheduler."""

from server.worker.messages import Budget, Minimum, Rule, Submit
from server.worker.ports import Batch, DecodeFailed
from tests.worker.fake_runner import (
    Desk,
    alphabet,
    answer,
    constrained_answer,
    next_token,
    submission,
)

PROMPT = [1, 2, 3]
FIRST = next_token(PROMPT)
FORCED = list(range(300, 320))


def finished(desk: Desk, request: int, prompt: list[int], count: int, **fields: object) -> Submit:
    """Answer it alone, and find the answer right."""
    desk.submit(request, prompt, count, **fields)
    desk.finish()
    submit = submission(request, prompt, count, **fields)
    assert desk.tokens[request] == constrained_answer(submit)
    return submit


def test_what_is_forced_is_computed_in_one_step_and_reported() -> None:
    desk = Desk()
    finished(desk, 1, PROMPT, 25, rules=[Rule(suffix=[FIRST], force=FORCED)], top_logprobs=0)
    assert desk.tokens[1][:21] == [FIRST, *FORCED]
    assert [batch.streams for batch in desk.runner.batches] == [0, 1, 1, 1, 1]
    assert [batch.prompt_tokens for batch in desk.runner.batches] == [3, 20, 0, 0, 0]
    assert desk.ended[1].reason == "length"


def test_forced_tokens_have_no_logprobs() -> None:
    desk = Desk()
    desk.submit(1, PROMPT, 3, rules=[Rule(suffix=[FIRST], force=[7, 8])], top_logprobs=2)
    desk.scheduler.advance(batch := desk.scheduler.plan(), desk.runner.run(batch))
    drawn, *forced = desk.scheduler.report().tokens
    assert (drawn.logprob, drawn.top) == (-1.0, [(FIRST, -1.0)])
    assert [(token.token, token.logprob, token.top) for token in forced] == [
        (7, None, []),
        (8, None, []),
    ]


def test_forced_tokens_count_towards_the_limit() -> None:
    desk = Desk()
    finished(desk, 1, PROMPT, 8, rules=[Rule(suffix=[FIRST], force=FORCED)])
    assert desk.tokens[1] == [FIRST, *FORCED[:7]]
    assert desk.ended[1].reason == "length"


def test_a_forced_stop_id_ends_the_answer() -> None:
    desk = Desk()
    rule = Rule(suffix=[FIRST], force=[7, 8, 9])
    finished(desk, 1, PROMPT, 20, rules=[rule], stop_ids=[8])
    assert desk.tokens[1] == [FIRST, 7, 8]
    assert desk.ended[1].reason == "stop"


def test_a_drawn_token_is_replaced() -> None:
    desk = Desk()
    rule = Rule(suffix=[FIRST], force=[7], instead=True)
    finished(desk, 1, PROMPT, 3, rules=[rule], stop_ids=[FIRST])
    assert desk.tokens[1] == [7, *answer([*PROMPT, 7], 2)]


def test_an_answer_opens_with_what_is_forced_when_the_prompt_is_computed() -> None:
    desk = Desk(batch_tokens=2, snapshot_bytes=10_000)
    desk.submit(1, PROMPT, 6, rules=[Rule(suffix=[], force=[7, 8])])
    desk.step()
    assert desk.tokens == {}
    desk.step()
    assert desk.tokens == {1: [7, 8]}
    desk.finish()
    assert desk.tokens[1] == [7, 8, *answer([*PROMPT, 7, 8], 4)]


def test_an_opening_alone_may_be_the_whole_answer() -> None:
    desk = Desk()
    finished(desk, 1, PROMPT, 2, rules=[Rule(suffix=[], force=FORCED)])
    assert desk.tokens[1] == FORCED[:2]


def test_running_streams_go_on_while_another_is_forced() -> None:
    desk = Desk(max_stall_s=0.5)
    desk.runner.seconds = lambda streams, prompt: 0.1 * bool(streams) + 0.1 * prompt
    desk.submit(1, [1], 30)
    # When it comes to it, the pace is known.
    third = answer(PROMPT, 3)[2]
    desk.submit(2, PROMPT, 30, rules=[Rule(suffix=[third], force=FORCED)])
    while len(desk.tokens.get(2, [])) < 23:
        desk.step()
    desk.runner.durations.clear()
    before = len(desk.runner.batches)
    while len(desk.tokens[2]) == 23:
        told = len(desk.tokens[1])
        desk.step()
        assert len(desk.tokens[1]) == told + 1
    assert len(desk.runner.batches) - before > 3
    assert max(desk.runner.durations) <= 0.51
    desk.finish()
    assert desk.tokens[1] == answer([1], 30)


def test_what_is_forced_is_computed_before_prompts() -> None:
    desk = Desk(max_stall_s=0.5)
    desk.runner.seconds = lambda streams, prompt: 0.1 * bool(streams) + 0.1 * prompt
    desk.submit(1, PROMPT, 30, rules=[Rule(suffix=[FIRST], force=FORCED)])
    desk.step()
    desk.submit(2, [5], 1)
    while len(desk.tokens[1]) == 21:
        assert 2 not in desk.tokens
        desk.step()
    desk.finish()
    assert desk.tokens[2] == answer([5], 1)


def test_a_budget_and_a_minimum() -> None:
    desk = Desk()
    opened, stop = answer(PROMPT, 1), answer(PROMPT, 3)[2]
    budget = Budget(tokens=2, begin=opened, end=[998], force=[998, 5])
    finished(desk, 1, PROMPT, 6, budget=budget)
    assert desk.tokens[1][1:4] == [answer(PROMPT, 2)[1], 998, 5]
    finished(desk, 2, PROMPT, 6, minimum=Minimum(tokens=4, after=[]), stop_ids=[stop])
    assert stop not in desk.tokens[2]
    assert desk.ended[2].reason == "length"


# --- grammars ------------------------------------------------------------------------------------


def test_a_grammar_is_kept_to_and_ends_the_answer() -> None:
    desk = Desk()
    rule = Rule(suffix=[], grammar=alphabet("5,6,7 2 4", 9))
    finished(desk, 1, PROMPT, 20, rules=[rule], stop_ids=[9])
    assert set(desk.tokens[1][:-1]) <= {5, 6, 7}
    assert 3 <= len(desk.tokens[1]) <= 5
    assert desk.ended[1].reason == "stop"


def test_a_grammar_that_cannot_go_on_fails_its_own_request_only() -> None:
    desk = Desk()
    # No such token is ever drawn.
    dead_end = Rule(suffix=[], grammar=alphabet("999 2 4", 9))
    desk.submit(1, PROMPT, 20, rules=[dead_end])
    desk.submit(2, PROMPT, 5)
    desk.finish()
    assert (desk.ended[1].reason, desk.ended[1].message) == ("invalid", "nothing is allowed")
    assert desk.tokens == {2: answer(PROMPT, 5)}


def test_a_grammar_that_cannot_be_used_fails_its_own_request_only() -> None:
    desk = Desk()
    desk.submit(1, PROMPT, 20, rules=[Rule(suffix=[], grammar=alphabet("nonsense", 9))])
    desk.submit(2, PROMPT, 5, rules=[Rule(suffix=[FIRST], grammar=alphabet("nonsense", 9))])
    desk.submit(3, [5], 5)
    desk.finish()
    assert [desk.ended[n].reason for n in (1, 2, 3)] == ["invalid", "invalid", "length"]
    assert desk.ended[1].message == "'nonsense' is no alphabet."
    assert desk.tokens[3] == answer([5], 5)


# --- nothing is advanced twice -------------------------------------------------------------------


RULES = [
    Rule(suffix=[FIRST], force=FORCED, grammar=alphabet("5,6,7 4 9", 8)),
    Rule(suffix=[8], force=[FIRST]),
]


def test_a_rewound_sequence_goes_on_where_it_was() -> None:
    expected = constrained_answer(submission(1, PROMPT, 60, rules=RULES))
    for steps in range(12):
        desk = Desk(batch_tokens=8)
        desk.submit(1, PROMPT, 60, rules=RULES)
        for _ in range(steps):
            desk.step()
        if batch := desk.scheduler.plan():
            desk.scheduler.rewind(batch)
        desk.finish()
        assert desk.tokens[1] == expected


def test_a_failed_batch_costs_nobody_the_answer() -> None:
    def fail_third(_batch: Batch) -> None:
        if len(desk.runner.batches) == 3:
            raise DecodeFailed("once")

    desk = Desk(batch_tokens=16)
    desk.runner.on_run = fail_third
    desk.submit(1, PROMPT, 60, rules=RULES)
    desk.submit(2, PROMPT, 40)
    desk.finish()
    assert desk.tokens == {
        1: constrained_answer(submission(1, PROMPT, 60, rules=RULES)),
        2: answer(PROMPT, 40),
    }
