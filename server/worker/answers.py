"""What is drawn becomes text: tokens are drawn within their constraints, with what is forced after
them, and reported. Knows neither slots nor steps.
"""

from collections.abc import Sequence as Row
from typing import NamedTuple

from server.worker.messages import EndReason, Token
from server.worker.ports import GrammarError, Logits, NothingAllowed, Sample
from server.worker.rules import Constraints
from server.worker.sequence import Sequence


class End(NamedTuple):
    """Why an answer is over."""

    reason: EndReason
    message: str = ""


class Answers:
    """Every method that writes says when that ends the answer. `news` are the tokens since they
    were last taken.
    """

    def __init__(self) -> None:
        self.news: list[Token] = []

    def take_news(self) -> list[Token]:
        news, self.news = self.news, []
        return news

    def open(self, sequence: Sequence) -> End | None:
        """Before the sequence computes anything: find out what its answer opens with."""
        try:
            sequence.open()
        except GrammarError as error:
            return End("invalid", str(error))
        return None

    def begin(self, sequence: Sequence, now: float) -> End | None:
        """The prompt is computed: write what the answer opens with."""
        opening, sequence.opening = sequence.opening, []
        return self._force(sequence, opening, now)

    def verify(
        self, sequence: Sequence, draft: Row[int], logits: Logits, row: int, now: float
    ) -> End | None:
        """Draw the next tokens from this row of logits and those after it, for as long as the text
        goes on as guessed; what was guessed right is computed.
        """
        tokens, computed = sequence.tokens, sequence.computed
        while True:
            end = self.draw(sequence, logits, row + len(tokens) - computed, now)
            for token, guessed in zip(
                tokens[sequence.computed :], draft[sequence.computed - computed :], strict=False
            ):
                if token != guessed:
                    return end
                sequence.computed += 1
            if end is not None or sequence.pending:
                return end

    def draw(self, sequence: Sequence, logits: Logits, row: int, now: float) -> End | None:
        """Draw the next token from this row of logits, and write what comes of it."""
        constraints = sequence.constraints
        if constraints is None:
            return self._write(sequence, logits.draw(row), now)
        try:
            return self._draw_within(constraints, sequence, logits, row, now)
        except (GrammarError, NothingAllowed) as error:
            return End("invalid", str(error))

    def _draw_within(
        self, constraints: Constraints, sequence: Sequence, logits: Logits, row: int, now: float
    ) -> End | None:
        sample = logits.draw(row, constraints.bounds())
        written = constraints.follow(sample.token, sequence.left)
        if written.kept and (end := self._write(sequence, sample, now)):
            return end
        return self._force(sequence, written.forced, now)

    def _force(self, sequence: Sequence, tokens: list[int], now: float) -> End | None:
        for token in tokens:
            if end := self._write(sequence, Sample(token), now):
                return end
        return None

    def _write(self, sequence: Sequence, sample: Sample, now: float) -> End | None:
        token, logprob, top = sample
        if logprob is None:
            self.news.append(Token(id=sequence.id, token=token))
        else:
            self.news.append(Token(id=sequence.id, token=token, logprob=logprob, top=list(top)))
        reason = sequence.append(token, now)
        return End(reason) if reason else None
