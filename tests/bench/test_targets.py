"""Rows of the comparison from made-up measurements."""

from typing import Any

import pytest
from targets import BARE, OURS, TARGETS, THEIRS, judge


def scenario(**numbers: float) -> dict[str, float]:
    return {"prompt_tokens": 100, "cached_tokens": 0, "gap_median_s": 0.1, **numbers}


def measured(ours_per_s: float, theirs_per_s: float) -> dict[str, Any]:
    return {
        OURS: {"conc4": scenario(output_per_s=ours_per_s)},
        THEIRS: {"conc4": scenario(output_per_s=theirs_per_s)},
    }


def test_a_row_is_the_median_of_the_ratios_within_rounds() -> None:
    rounds = [measured(10, 10), measured(30, 10), measured(40, 20)]
    (row,) = judge(rounds)
    assert row.values == (1.0, 3.0, 2.0)
    assert row.median == 2.0
    assert row.met


def test_a_missed_bound_is_told() -> None:
    (row,) = judge([measured(9, 10)])
    assert row.median == pytest.approx(0.9)
    assert not row.met


def test_one_stream_is_held_to_the_bare_speed_without_the_header() -> None:
    single = scenario(
        first_median_s=1.1, span_s=1.1 + 6.2, output_tokens=64, prompt_tokens=120, cached_tokens=20
    )
    speed = {"prompt_per_s": 100.0, "generation_per_s": 10.0}
    prompt, generation = judge([{OURS: {"single": single}, BARE: {"speed": speed}}])
    assert prompt.median == pytest.approx(1.0)
    assert generation.median == pytest.approx(1.0)


def test_cached_tokens_are_a_share_of_the_earlier_prompt() -> None:
    ours = {
        "turn1": scenario(first_median_s=2.0),
        "turn2": scenario(first_median_s=1.0, cached_tokens=95),
    }
    theirs = {name: scenario(first_median_s=2.0) for name in ("turn1", "turn2")}
    rows = {row.target.text: row for row in judge([{OURS: ours, THEIRS: theirs}])}
    assert rows["chat turn 2, time to first token"].median == 0.5
    assert rows["chat turn 2, cached of the earlier prompt"].median == 0.95


def test_nothing_measured_gives_no_rows() -> None:
    assert judge([{OURS: {}, THEIRS: {}}]) == []


def test_every_row_has_a_text_of_its_own() -> None:
    assert len({target.text for target in TARGETS}) == len(TARGETS)
