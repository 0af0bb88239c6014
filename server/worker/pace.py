"""How long a step will take, learned from the steps before: so many prompt tokens fit beside the
running streams. Knows numbers only, no clock.
"""

# Before anything was measured: few enough that even a slow machine computes them in a second.
FIRST_CHUNK = 8
# A step slower than expected is believed sooner than a faster one: pauses are what users notice.
TRUST_SLOWER = 0.5
TRUST_FASTER = 0.2
# Keeps the estimate above zero however coarse the clock.
LEAST_SECONDS = 1e-9


class Pace:
    """Estimates of seconds a prompt token and seconds a step of n streams. `max_stall_s` bounds the
    predicted step while anything is being generated.
    """

    def __init__(self, max_stall_s: float) -> None:
        self.max_stall_s = max_stall_s
        self.prompt_token_s: float | None = None
        self._streams_s: dict[int, float] = {}

    def allowance(self, streams: int, batch_tokens: int) -> int:
        """Prompt tokens for a step with this many streams; at least one, whole batches without
        streams. `batch_tokens` bounds both together.
        """
        room = max(1, batch_tokens - streams)
        if streams == 0:
            return room
        if self.prompt_token_s is None:
            return min(FIRST_CHUNK, room)
        spare_s = self.max_stall_s - self.streams_s(streams)
        return min(max(int(spare_s / self.prompt_token_s), 1), room)

    def streams_s(self, streams: int) -> float:
        """Seconds a step of so many streams takes, on the safe side where none was seen yet."""
        if streams == 0:
            return 0.0
        if streams in self._streams_s:
            return self._streams_s[streams]
        fewer = [n for n in self._streams_s if n < streams]
        if fewer:
            return self._streams_s[max(fewer)] * streams / max(fewer)
        return max(self._streams_s.values(), default=0.0)

    def observe(self, streams: int, prompt_tokens: int, seconds: float) -> None:
        """Learn from a finished step."""
        if prompt_tokens == 0:
            self._streams_s[streams] = _blended(self._streams_s.get(streams), seconds)
            return
        if streams:
            self._bound_streams(streams, prompt_tokens, seconds)
        token_s = (seconds - self.streams_s(streams)) / prompt_tokens
        self.prompt_token_s = max(_blended(self.prompt_token_s, token_s), LEAST_SECONDS)

    def _bound_streams(self, streams: int, prompt_tokens: int, seconds: float) -> None:
        # While prompts keep coming no step shows the streams alone. A guess, or what was true of
        # shorter contexts, must not keep the prompts at one token a step.
        if streams not in self._streams_s and self.prompt_token_s is not None:
            guess = seconds - prompt_tokens * self.prompt_token_s
            self._streams_s[streams] = max(guess, 0.0)
        elif self.streams_s(streams) > seconds:
            self._streams_s[streams] = seconds


def _blended(known: float | None, seen: float) -> float:
    if known is None:
        return max(seen, 0.0)
    trust = TRUST_SLOWER if seen > known else TRUST_FASTER
    return known + trust * (seen - known)
