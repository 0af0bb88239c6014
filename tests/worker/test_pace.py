"""The stall budget: a machine whose steps cost `streams * S + prompt_tokens * P + overhead`."""

import pytest

from server.worker.pace import FIRST_CHUNK, Pace
from tests.worker.fake_runner import Desk


@pytest.mark.parametrize(
    ("stream_s", "token_s", "overhead_s", "stall_s"),
    [(0.07, 0.055, 0.0, 0.7), (0.004, 0.0002, 0.004, 0.06), (0.0001, 0.00005, 0.0, 0.7)],
    ids=["cpu", "gpu", "tiny"],
)
def test_steps_stay_within_the_budget(
    stream_s: float, token_s: float, overhead_s: float, stall_s: float
) -> None:
    desk = Desk(slots=4, batch_tokens=512, max_stall_s=stall_s)
    desk.runner.seconds = lambda streams, prompt_tokens: (
        overhead_s + streams * stream_s + prompt_tokens * token_s
    )
    desk.submit(1, [1] * 20, 490)
    desk.submit(2, [2] * 20, 490)
    for _ in range(3):
        desk.step()
    for request in range(3, 9):
        desk.submit(request, [request] * 400, 2)
        while request not in desk.ended:
            desk.step()
    mixed = [
        (batch.prompt_tokens, seconds)
        for batch, seconds in zip(desk.runner.batches, desk.runner.durations, strict=True)
        if batch.streams and batch.prompt_tokens
    ]
    assert all(seconds <= stall_s * 1.01 for _, seconds in mixed)
    # The budget is used, not only kept: late chunks fill most of it, or hold the whole prompt.
    chunk, seconds = max(mixed[len(mixed) // 2 :])
    assert seconds > 0.8 * stall_s or chunk == 400


def test_before_anything_is_known_a_few_tokens_are_tried() -> None:
    pace = Pace(0.7)
    assert pace.allowance(2, 512) == FIRST_CHUNK
    assert pace.allowance(0, 512) == 512


def test_one_token_is_always_allowed() -> None:
    pace = Pace(0.1)
    pace.observe(4, 0, 5.0)
    pace.observe(0, 10, 10.0)
    assert pace.allowance(4, 512) == 1
    assert pace.allowance(4, 4) == 1


def test_the_batch_bounds_streams_and_prompt_together() -> None:
    pace = Pace(100.0)
    pace.observe(8, 0, 0.001)
    pace.observe(8, 8, 0.002)
    assert pace.allowance(8, 64) == 56


def test_unseen_numbers_of_streams_are_guessed_on_the_safe_side() -> None:
    pace = Pace(0.7)
    assert pace.streams_s(3) == 0.0
    pace.observe(2, 0, 0.1)
    assert pace.streams_s(1) == pytest.approx(0.1)
    assert pace.streams_s(8) == pytest.approx(0.4)
    assert pace.streams_s(0) == 0.0


def test_a_guess_that_was_too_high_does_not_hold_prompts_up() -> None:
    pace = Pace(0.7)
    pace.observe(0, 100, 5.0)
    pace.observe(1, 0, 0.1)
    # Eight streams are guessed at 0.8 s, over the budget; in truth they take 0.3 s.
    assert pace.allowance(8, 512) == 1
    pace.observe(8, 1, 0.35)
    assert pace.allowance(8, 512) == pytest.approx(8, abs=1)


def test_slower_steps_are_believed_sooner_than_faster_ones() -> None:
    pace = Pace(0.7)
    pace.observe(1, 0, 0.1)
    pace.observe(1, 0, 0.2)
    slower = pace.streams_s(1)
    pace.observe(1, 0, 0.1)
    assert slower == pytest.approx(0.15)
    assert pace.streams_s(1) == pytest.approx(0.14)
