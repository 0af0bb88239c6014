"""One request while it lives: its tokens, how many of them are computed, and when it ends. Knows no
other request and no model.
"""

from bisect import bisect_right
from dataclasses import dataclass

from server.worker.lookup import Lookup
from server.worker.messages import Ended, EndReason, Submit
from server.worker.ports import Compile, Span, no_grammars
from server.worker.radix import pack
from server.worker.rules import constraints_of

# Warmer text seldom copies; and what several tokens computed together round differently shows
# sooner there, so that a seed would not repeat its answer.
HIGHEST_GUESSED_TEMPERATURE = 0.3


class Sequence:
    """`tokens` are the prompt and what was generated after it; the first `computed` of them are in
    the slot. At `points`, in order, the computation pauses for a snapshot. While it has a `hold` it
    computes nothing. `opening` is written as soon as the prompt is computed, before a token is
    drawn. Times are readings of the scheduler's clock.
    """

    __slots__ = (
        "admitted_at",
        "alone",
        "boundaries",
        "cached_tokens",
        "computed",
        "constraints",
        "first_token_at",
        "hold",
        "id",
        "left",
        "lookup",
        "opening",
        "owner",
        "path",
        "points",
        "prompt_tokens",
        "salt",
        "sampler",
        "settled",
        "slot",
        "stop_ids",
        "submitted_at",
        "tokens",
        "top_logprobs",
    )

    def __init__(self, submit: Submit, now: float, compiled: Compile = no_grammars) -> None:
        self.id = submit.id
        self.tokens = list(submit.prompt)
        self.prompt_tokens = len(submit.prompt)
        self.path = pack(submit.prompt)
        self.salt = submit.salt
        self.owner = submit.owner
        self.boundaries = submit.boundaries
        self.points: list[int] = []
        self.hold: Hold | None = None
        self.left = submit.max_tokens
        self.stop_ids = frozenset(submit.stop_ids)
        self.sampler = submit.sampler
        self.top_logprobs = submit.top_logprobs
        self.constraints = constraints_of(submit, compiled)
        self.opening: list[int] = []
        is_cool = submit.sampler.temperature <= HIGHEST_GUESSED_TEMPERATURE
        self.lookup = Lookup(self.tokens, _marks(submit)) if submit.speculate and is_cool else None
        self.slot = -1
        self.computed = 0
        # The tokens that were there when the last one was drawn: what comes after them is the
        # answer's own work, what comes before (after a rewind) is computed like a prompt.
        self.settled = self.prompt_tokens
        self.cached_tokens = 0
        # After a failed batch: computed in batches of its own until it has drawn a token.
        self.alone = False
        self.submitted_at = now
        self.admitted_at: float | None = None
        self.first_token_at: float | None = None

    @property
    def pending(self) -> int:
        """Tokens still to compute before the next one can be drawn."""
        return len(self.tokens) - self.computed

    @property
    def streams(self) -> bool:
        """Whether an answer already begun goes on: by the last token drawn, and forced ones."""
        return self.computed >= self.settled

    @property
    def stretch(self) -> int:
        """Tokens that may be computed at once: up to the next point, or all that are pending."""
        following = bisect_right(self.points, self.computed)
        if following == len(self.points):
            return self.pending
        return self.points[following] - self.computed

    def admit(self, slot: int, now: float) -> None:
        """Move into an empty slot."""
        self.slot = slot
        self.admitted_at = now

    def restore(self, tokens: int) -> None:
        """The slot holds the first tokens already."""
        self.computed = self.cached_tokens = tokens

    def rewind(self) -> None:
        """The slot holds nothing any more; all tokens are pending again."""
        self.computed = self.cached_tokens = 0

    def open(self) -> None:
        """Find out how the answer opens. Errors: GrammarError."""
        if self.constraints is not None:
            self.opening = self.constraints.open(self.left)

    def span(self, count: int) -> Span:
        """The next `count` tokens to compute."""
        start, end = self.computed, self.computed + count
        samples = end == len(self.tokens) and not self.opening
        return Span(self.slot, start, self.tokens[start:end], samples, self.top_logprobs)

    def guess(self, draft: list[int]) -> Span:
        """The last token to compute, and guessed ones after it."""
        tokens = [self.tokens[-1], *draft]
        return Span(self.slot, self.computed, tokens, True, self.top_logprobs, len(draft))

    def advance(self, count: int) -> None:
        """So many more of its tokens are computed."""
        self.computed += count
        if self.computed == len(self.tokens):
            self.settled = self.computed

    def append(self, token: int, now: float) -> EndReason | None:
        """Take a drawn or forced token; the reason if it ends the answer."""
        if self.first_token_at is None:
            self.first_token_at = now
        self.tokens.append(token)
        self.left -= 1
        self.alone = False
        if token in self.stop_ids:
            return "stop"
        return "length" if self.left <= 0 else None

    def ended(self, reason: EndReason, message: str, now: float) -> Ended:
        """The last word on this request."""
        admitted = now if self.admitted_at is None else self.admitted_at
        first = now if self.first_token_at is None else self.first_token_at
        return Ended(
            id=self.id,
            reason=reason,
            message=message,
            cached_tokens=self.cached_tokens,
            queue_s=admitted - self.submitted_at,
            prompt_s=first - admitted,
            generation_s=now - first,
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """Waiting for the snapshot that `other` leaves when it has computed `point` tokens."""

    other: Sequence
    point: int


def _marks(submit: Submit) -> frozenset[int]:
    """The ids that begin and end the parts of an answer, as far as the request names them."""
    budget = submit.budget
    parts = (budget.begin, budget.end, budget.force) if budget else ()
    return frozenset(submit.stop_ids).union(*parts)
