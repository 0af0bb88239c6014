"""One request while it lives: its tokens, how many of them are computed, and when it ends. Knows no
other request and no model.
"""

from server.worker.messages import Ended, EndReason, Submit
from server.worker.ports import Span


class Sequence:
    """`tokens` are the prompt and what was generated after it; the first `computed` of them are in
    the slot. Times are readings of the scheduler's clock.
    """

    __slots__ = (
        "admitted_at",
        "alone",
        "cached_tokens",
        "computed",
        "first_token_at",
        "id",
        "left",
        "sampler",
        "slot",
        "stop_ids",
        "submitted_at",
        "tokens",
        "top_logprobs",
    )

    def __init__(self, submit: Submit, now: float) -> None:
        self.id = submit.id
        self.tokens = list(submit.prompt)
        self.left = submit.max_tokens
        self.stop_ids = frozenset(submit.stop_ids)
        self.sampler = submit.sampler
        self.top_logprobs = submit.top_logprobs
        self.slot = -1
        self.computed = 0
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
        """Whether the next step draws the next token of an answer already begun."""
        return self.first_token_at is not None and len(self.tokens) - self.computed == 1

    def admit(self, slot: int, cached_tokens: int, now: float) -> None:
        """Move into a slot that holds the first `cached_tokens` tokens already."""
        self.slot = slot
        self.computed = self.cached_tokens = cached_tokens
        self.admitted_at = now

    def span(self, count: int) -> Span:
        """The next `count` tokens to compute."""
        start, end = self.computed, self.computed + count
        samples = end == len(self.tokens)
        return Span(self.slot, start, self.tokens[start:end], samples, self.top_logprobs)

    def append(self, token: int, now: float) -> EndReason | None:
        """Take the drawn token; the reason if it ends the answer."""
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
