"""Guessing through the scheduler: nothing but the time may show it."""

import msgspec
import pytest

from server.core.ports import SpeculationCounters
from server.worker.messages import Budget, Minimum, Rule, Step
from server.worker.ports import Batch, DecodeFailed
from server.worker.speculation import LONGEST
from tests.worker.fake_runner import (
    GREEDY,
    Desk,
    alphabet,
    answer,
    constrained_answer,
    copied_token,
    submission,
)

PROMPTS = {n: [n * 50 + place for place in range(9 + n)] * 2 for n in range(1, 6)}


class CopyDesk(Desk):
    """Its runner says what it said before; a guessed token costs `cost` of a step."""

    def __init__(self, cost: float = 0.2, **fields: object) -> None:
        super().__init__(max_stall_s=10.0, **fields)
        self.runner.says = copied_token
        self.runner.seconds = lambda streams, tokens: bool(streams) + cost * tokens
        self.counters: SpeculationCounters | None = None

    def keep(self, step: Step) -> None:
        super().keep(step)
        self.counters = step.speculation or self.counters

    @property
    def drafts(self) -> int:
        return sum(batch.drafts for batch in self.runner.batches)


def test_an_answer_that_copies_takes_fewer_steps() -> None:
    plain, quick = CopyDesk(), CopyDesk()
    plain.submit(1, PROMPTS[1], 200, speculate=False)
    quick.submit(1, PROMPTS[1], 200)
    plain.finish()
    quick.finish()
    assert quick.tokens[1] == plain.tokens[1] == answer(PROMPTS[1], 200, says=copied_token)
    assert quick.clock.now < 0.7 * plain.clock.now
    assert plain.drafts == 0
    assert plain.counters is None


def test_the_counters_tell_what_was_guessed_and_what_came_true() -> None:
    desk = CopyDesk()
    desk.submit(1, PROMPTS[1], 200)
    desk.finish()
    steps = len(desk.runner.batches)
    assert desk.counters is not None
    assert desk.counters.drafted == desk.drafts
    # Every step of the answer brings one token, and those that were guessed right.
    assert 200 - desk.counters.accepted in (steps, steps - 1)


@pytest.mark.parametrize("trims", [True, False])
def test_streams_in_company_are_answered_the_same(trims: bool) -> None:
    desk = CopyDesk(slots=3)
    desk.runner.trims = trims
    for request, prompt in PROMPTS.items():
        desk.submit(request, prompt, 60 + request)
    desk.finish()
    assert desk.drafts > 0
    assert desk.tokens == {
        request: answer(prompt, 60 + request, says=copied_token)
        for request, prompt in PROMPTS.items()
    }


def test_warm_text_is_not_guessed() -> None:
    desk = CopyDesk()
    for request, temperature in enumerate((0.3, 0.31)):
        sampler = msgspec.structs.replace(GREEDY, temperature=temperature)
        desk.runner.batches.clear()
        desk.submit(request, PROMPTS[1], 60, sampler=sampler)
        desk.finish()
        assert (desk.drafts > 0) == (temperature <= 0.3)


def test_no_guess_goes_beyond_the_limit() -> None:
    for count in range(1, 30):
        desk = CopyDesk()
        desk.submit(1, PROMPTS[1], count)
        desk.finish()
        assert desk.tokens[1] == answer(PROMPTS[1], count, says=copied_token)
        for batch in desk.runner.batches:
            span = batch.spans[0]
            assert span.start + len(span.tokens) < len(PROMPTS[1]) + count
            assert span.draft <= LONGEST


def test_a_stop_id_among_the_guessed_ends_the_answer() -> None:
    whole = answer(PROMPTS[1], 60, says=copied_token)
    for place in range(20, 50):
        desk = CopyDesk()
        desk.submit(1, PROMPTS[1], 60, stop_ids=[whole[place]])
        desk.finish()
        first = whole.index(whole[place])
        assert (desk.tokens[1], desk.ended[1].reason) == (whole[: first + 1], "stop")


@pytest.mark.parametrize("place", range(20, 40))
def test_the_next_turn_goes_on_after_what_came_true(place: int) -> None:
    """In the same slot, which the end of the answer left with guesses in it."""
    whole = answer(PROMPTS[1], 60, says=copied_token)
    desk = CopyDesk(snapshot_bytes=1 << 20)
    desk.submit(1, PROMPTS[1], 60, stop_ids=[whole[place]])
    desk.finish()
    again = [*PROMPTS[1], *desk.tokens[1], 5, 6]
    desk.submit(2, again, 30)
    desk.finish()
    assert desk.drafts > 0
    assert desk.ended[2].cached_tokens > len(PROMPTS[1])
    assert desk.tokens[2] == answer(again, 30, says=copied_token)


@pytest.mark.parametrize("place", range(10, 22))
def test_rules_are_kept_in_what_was_guessed(place: int) -> None:
    token = answer(PROMPTS[1], 60, says=copied_token)[place]
    for fields in (
        {"rules": [Rule(suffix=[token], force=[3, 4])]},
        {"rules": [Rule(suffix=[token], force=[token + 1], instead=True)]},
        {"rules": [Rule(suffix=[token], grammar=alphabet("50,51,52,53,54 2 12", 9))]},
        {"budget": Budget(tokens=20, begin=[], end=[token], force=[token, 5])},
        {"minimum": Minimum(tokens=place, after=[]), "stop_ids": [token]},
    ):
        desk = CopyDesk()
        desk.submit(1, PROMPTS[1], 60, **fields)
        desk.finish()
        expected = constrained_answer(submission(1, PROMPTS[1], 60, **fields), copied_token)
        assert desk.tokens[1] == expected


def test_what_cannot_be_drawn_fails_in_the_middle_of_a_guess() -> None:
    token = answer(PROMPTS[1], 60, says=copied_token)[20]
    desk = CopyDesk()
    desk.submit(1, PROMPTS[1], 60, rules=[Rule(suffix=[token], grammar=alphabet("999 1 1", 9))])
    desk.finish()
    assert desk.ended[1].reason == "invalid"
    assert desk.drafts > 0


def test_guesses_that_do_not_come_true_are_given_up() -> None:
    desk = CopyDesk()
    turns = [0]

    def contrary(tokens: list[int]) -> int:
        # Three tokens as before, and then another.
        turns[0] = len(tokens)
        return [7, 8, 9, 100 + len(tokens)][len(tokens) % 4]

    desk.runner.says = contrary
    desk.submit(1, [7, 8, 9, 1] * 3, 400)
    desk.finish()
    assert turns[0] > 400
    later = desk.runner.batches[len(desk.runner.batches) // 2 :]
    assert sum(batch.drafts for batch in later) < len(later) / 10


@pytest.mark.parametrize(("cost", "worth"), [(0.05, True), (0.6, True), (1.1, False)])
def test_nothing_is_guessed_that_costs_more_than_it_brings(cost: float, worth: bool) -> None:
    desk = CopyDesk(cost)
    desk.runner.says = lambda tokens: tokens[-7]
    desk.submit(1, PROMPTS[1], 200)
    desk.finish()
    assert (desk.drafts > 0) == worth
    assert desk.clock.now <= 201 + cost * len(PROMPTS[1])


def test_many_streams_pay_for_the_guesses_of_one() -> None:
    # The more streams wait for a guess, the less it is worth.
    drafted = {}
    for slots in (1, 8):
        desk = CopyDesk(0.3, slots=8)
        desk.runner.says = lambda tokens: tokens[-7]
        for request in range(slots):
            desk.submit(request, PROMPTS[1], 100)
        desk.finish()
        drafted[slots] = desk.drafts
    assert drafted[8] < drafted[1] / 10


def test_what_a_guess_costs_is_learned_and_forgotten() -> None:
    desk = CopyDesk(0.2)
    desk.runner.says = lambda tokens: tokens[-7]
    dear = [True]
    desk.runner.seconds = lambda streams, tokens: (
        bool(streams) + (5.0 * tokens if streams and dear[0] else 0.1 * tokens)
    )
    desk.submit(1, PROMPTS[1], 1500)
    for _ in range(100):
        desk.step()
    assert 0 < desk.drafts < 50
    dear[0] = False
    desk.runner.batches.clear()
    desk.finish()
    assert desk.drafts > 500


def test_nothing_is_guessed_while_prompts_are_computed() -> None:
    desk = CopyDesk(batch_tokens=16)
    desk.submit(1, PROMPTS[1], 100)
    for _ in range(20):
        desk.step()
    assert desk.drafts > 0
    desk.runner.batches.clear()
    desk.submit(2, list(range(300)), 1)
    while 2 not in desk.ended:
        desk.step()
    assert desk.drafts == 0


def test_no_guess_makes_a_step_too_long() -> None:
    desk = CopyDesk(0.25)
    desk.scheduler.pace.max_stall_s = 2.0
    desk.submit(1, PROMPTS[1], 200)
    desk.finish()
    assert desk.drafts > 0
    assert max(desk.runner.durations[1:]) <= 2.0


def test_a_failed_guess_costs_nobody_the_answer() -> None:
    def fail_once(batch: Batch) -> None:
        if batch.drafts and not failed:
            failed.append(batch)
            raise DecodeFailed("once")

    failed: list[Batch] = []
    desk = CopyDesk(slots=2)
    desk.runner.on_run = fail_once
    for request in (1, 2):
        desk.submit(request, PROMPTS[request], 80)
    desk.finish()
    assert failed
    assert desk.tokens == {n: answer(PROMPTS[n], 80, says=copied_token) for n in (1, 2)}
