"""Guessing what a stream says next from what its text said before, where guesses have come true and
a step that verifies them costs less than the steps it saves. Knows no model: a wrong guess costs
time and changes nothing.
"""

from server.core.ports import SpeculationCounters
from server.worker.pace import Pace
from server.worker.sequence import Sequence

# Tokens of one guess.
LONGEST = 8
# What is worth less than this more a second is left alone.
LEAST_GAIN = 1.05
COST_WEIGHT = 0.3
# What a guess of some length costs is forgotten at this rate while none is made.
FORGETTING = 0.02


class Speculation:
    """The guesses for all streams of a step, at most `most_tokens` in all."""

    def __init__(self, pace: Pace, most_tokens: int) -> None:
        self._pace = pace
        self._most_tokens = most_tokens
        # Seconds by which a guess of so many tokens makes its step longer.
        self._costs_s: dict[int, float] = {}
        self._drafted = 0
        self._accepted = 0
        self._has_news = False

    def guesses(self, streams: list[Sequence], room: int) -> list[list[int]]:
        """What each of them may say next, `room` tokens in all; empty where nothing is known or
        worth trying.
        """
        left = min(room, self._most_tokens)
        found = []
        for sequence in streams:
            guess: list[int] = []
            lookup = sequence.lookup
            if left and lookup is not None:
                lookup.catch_up()
                most = min(LONGEST, left, sequence.left - 1)
                if lookup.has_match and (
                    length := self._best_length(lookup.rate, most, len(streams))
                ):
                    guess = lookup.guess(length)
            left -= len(guess)
            found.append(guess)
        return found

    def observe(self, lengths: list[int], streams: int, seconds: float) -> None:
        """Learn from a step of so many streams alone with guesses of these lengths, if any."""
        total = sum(lengths)
        if not total:
            for length, known_s in self._costs_s.items():
                prior_s = length * (self._pace.prompt_token_s or 0.0)
                self._costs_s[length] = known_s + FORGETTING * (prior_s - known_s)
            return
        extra_s = max(seconds - self._pace.streams_s(streams), 0.0)
        for length in {*lengths} - {0}:
            known_s = self._cost_s(length)
            self._costs_s[length] = known_s + COST_WEIGHT * (extra_s * length / total - known_s)

    def count(self, drafted: int, accepted: int) -> None:
        """So many tokens were guessed, and so many of them are in the answer."""
        self._drafted += drafted
        self._accepted += accepted
        self._has_news = True

    def news(self) -> SpeculationCounters | None:
        """The counters, if they have changed since they were last asked for."""
        if not self._has_news:
            return None
        self._has_news = False
        return SpeculationCounters(drafted=self._drafted, accepted=self._accepted)

    def _best_length(self, rate: float, most: int, streams: int) -> int:
        """The length that makes the most tokens a second, where each guessed token comes true at
        this rate if those before it did; 0 where that is none.
        """
        step_s = self._pace.streams_s(streams)
        if not step_s or self._pace.prompt_token_s is None:
            return 0
        best, best_speed = 0, LEAST_GAIN * streams / step_s
        expected, chance = float(streams), 1.0
        for length in range(1, most + 1):
            chance *= rate
            expected += chance
            speed = expected / (step_s + self._cost_s(length))
            if speed > best_speed:
                best, best_speed = length, speed
        return best

    def _cost_s(self, length: int) -> float:
        """As measured, or in proportion to the nearest length that was, or to a prompt's tokens."""
        if not self._costs_s:
            return length * (self._pace.prompt_token_s or 0.0)
        nearest = min(self._costs_s, key=lambda known: abs(known - length))
        return self._costs_s[nearest] * length / nearest
