"""What was measured: one answer, the rounds of a figure, and everything together. Pure values."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from server.machine import Activity

# A window that is shorter than this part of the whole says little.
LEAST_WINDOW = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One streamed answer. `arrivals`: seconds of one clock, one a piece of text; `began` on it.
    `prompt_s` and `generation_s` are the server's own.
    """

    began: float
    arrivals: tuple[float, ...]
    prompt_tokens: int
    cached_tokens: int
    tokens: int
    prompt_s: float
    generation_s: float

    @property
    def first_s(self) -> float:
        """Until the first text."""
        return self.arrivals[0] - self.began

    @property
    def prompt_per_s(self) -> float:
        computed = self.prompt_tokens - self.cached_tokens
        return computed / self.prompt_s if self.prompt_s > 0 else 0.0

    @property
    def tokens_per_s(self) -> float:
        """The first token is the prompt's."""
        return (self.tokens - 1) / self.generation_s if self.generation_s > 0 else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """One figure, as often as it was measured."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def spread(self) -> float:
        """How far the rounds differ, as a part of the median."""
        middle = self.median
        return (max(self.values) - min(self.values)) / middle if middle else 0.0

    @property
    def count(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """What a model does here: tokens a second, and seconds until the first text of a short
    question. `together`: all of `streams` answers at once. `seconds` all of it took, in which
    `tokens` were written and the machine did what `activity` says.
    """

    prompt: Rounds
    alone: Rounds
    together: Rounds | None
    first_s: Rounds
    streams: int
    tokens: int
    seconds: float
    activity: Activity


def together_per_s(readings: Sequence[Reading]) -> float:
    """Tokens a second of all answers while all of them were being written; where that was too short
    to tell, over the whole time in which any was.
    """
    first = [reading.arrivals[0] for reading in readings]
    last = [reading.arrivals[-1] for reading in readings]
    begin, end, span = max(first), min(last), max(last) - min(first)
    if end - begin < LEAST_WINDOW * span or end <= begin:
        written = sum(reading.tokens - 1 for reading in readings)
        return written / span if span > 0 else 0.0
    tokens = 0.0
    for reading in readings:
        # Text comes in pieces, a token each but for fast models and letters of several tokens.
        inside = sum(begin < at <= end for at in reading.arrivals)
        tokens += inside * reading.tokens / len(reading.arrivals)
    return tokens / (end - begin)
