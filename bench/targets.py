"""The rows of the comparison: what is divided by what, and the bound that it is held to.

Pure: reads one round's measurements. A row whose measurements are missing has no value.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OURS, THEIRS, BARE = "gpt-api", "llama-server", "llama-bench"
# A round: contender -> scenario -> name -> number.
Round = Mapping[str, Mapping[str, Mapping[str, Any]]]
# Tokens that a random model writes before its first text: the end of a message's header.
HEADER_TOKENS = 1


@dataclass(frozen=True)
class Target:
    """A row; `value` raises KeyError where the round lacks what it needs. `at_most` or at least."""

    text: str
    bound: float
    at_most: bool
    value: Callable[[Round], float]
    unit: str = ""

    def met(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    @property
    def wanted(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.bound:g}{self.unit}"


@dataclass(frozen=True)
class Row:
    """A target and what the rounds came to: their median, and every round's value."""

    target: Target
    median: float
    values: tuple[float, ...]

    @property
    def met(self) -> bool:
        return self.target.met(self.median)


def judge(rounds: Sequence[Round]) -> list[Row]:
    """A row for every target that the rounds have measurements for."""
    rows = []
    for target in TARGETS:
        values = tuple(v for r in rounds if (v := _value(target, r)) is not None)
        if values:
            rows.append(Row(target, statistics.median(values), values))
    return rows


def _value(target: Target, round_: Round) -> float | None:
    try:
        return target.value(round_)
    except KeyError:
        return None


def ratio(scenario: str, name: str) -> Callable[[Round], float]:
    """Ours to llama-server's."""
    return lambda r: r[OURS][scenario][name] / r[THEIRS][scenario][name]


def prompt_speed(round_: Round) -> float:
    """One stream's prompt tokens a second, without the tokens written before the first text."""
    single = round_[OURS]["single"]
    prompt_s = single["first_median_s"] - HEADER_TOKENS * single["gap_median_s"]
    computed = single["prompt_tokens"] - single["cached_tokens"]
    return float(computed / prompt_s / round_[BARE]["speed"]["prompt_per_s"])


def generation_speed(round_: Round) -> float:
    """One stream's tokens a second from its first text on."""
    single = round_[OURS]["single"]
    writing_s = single["span_s"] - single["first_median_s"]
    written = single["output_tokens"] - HEADER_TOKENS - 1
    return float(written / writing_s / round_[BARE]["speed"]["generation_per_s"])


def late_prompt_speed(round_: Round) -> float:
    ours, theirs = (round_[name]["mixed_latecomer"] for name in (OURS, THEIRS))
    speeds = [one["prompt_tokens"] / one["first_median_s"] for one in (ours, theirs)]
    return float(speeds[0] / speeds[1])


def cached_share(turn: int) -> Callable[[Round], float]:
    """Cached tokens of a turn to the prompt of the turn before."""

    def share(round_: Round) -> float:
        earlier, later = (round_[OURS][f"turn{n}"] for n in (turn - 1, turn))
        return float(later["cached_tokens"] / earlier["prompt_tokens"])

    return share


def after_restart(round_: Round) -> float:
    ours = round_[OURS]
    return float(ours["recalled"]["first_median_s"] / ours["known"]["first_median_s"])


def gateway(name: str) -> Callable[[Round], float]:
    return lambda r: r[OURS]["gateway"][name]


TARGETS = (
    Target("one stream, prompt, to llama-bench", 0.97, False, prompt_speed),
    Target("one stream, generation, to llama-bench", 0.97, False, generation_speed),
    Target("4 streams, output tokens/s", 1.0, False, ratio("conc4", "output_per_s")),
    Target("16 streams, output tokens/s", 1.0, False, ratio("conc16", "output_per_s")),
    Target(
        "shared system prompt cold, 4 users: median time to first token",
        0.35,
        True,
        ratio("shared_cold", "first_median_s"),
    ),
    Target(
        "longest pause of running streams while a 600-token prompt arrives",
        0.05,
        True,
        ratio("mixed_runners", "gap_max_s"),
    ),
    Target("that prompt's own speed", 0.85, False, late_prompt_speed),
    Target("chat turn 2, time to first token", 1.0, True, ratio("turn2", "first_median_s")),
    Target("chat turn 3, time to first token", 1.0, True, ratio("turn3", "first_median_s")),
    Target("chat turn 2, cached of the earlier prompt", 0.9, False, cached_share(2)),
    Target("chat turn 3, cached of the earlier prompt", 0.9, False, cached_share(3)),
    Target(
        "known system prompt after a restart: time to first token, to its own cold one",
        0.1,
        True,
        after_restart,
    ),
    Target(
        "HTTP and seam: 16 streams on `mini`, output tokens/s",
        0.9,
        False,
        ratio("overhead", "output_per_s"),
    ),
    Target("gateway's resident memory", 150, True, gateway("resident_mb"), " MB"),
    Target("time until the gateway listens", 2, True, gateway("listening_s"), " s"),
)
