"""What comes next if a text goes on as it did the last time it said the same. Knows ids only, and
costs the same for every token however long the text is.
"""

# So many tokens must be the same.
GRAM = 3
ID_BITS = 21
# What is taken in at once of a long prompt: some milliseconds.
LONGEST_CATCH = 4096
NOWHERE = -1
# How often the next token is foreseen: at first a guess, then mostly the last few times.
FIRST_RATE = 0.5
RATE_WEIGHT = 0.25


class Lookup:
    """Over `tokens`, a prompt that an answer is appended to elsewhere. `rate`: how often of late,
    where the answer's next token could be foreseen, it was.

    What stands around `marks` is foreseen easily and says nothing of what comes after them: every
    message begins alike. So each mark is a beginning.
    """

    def __init__(self, tokens: list[int], marks: frozenset[int] = frozenset()) -> None:
        self.rate = FIRST_RATE
        self._marks = marks
        # Tokens since the last mark, as many as count.
        self._run = 0
        self._tokens = tokens
        self._prompt_tokens = len(tokens)
        self._known = 0
        # Where the text went on after the last occurrence of each gram.
        self._places: dict[int, int] = {}
        # The place of the token that is expected next.
        self._next = NOWHERE

    @property
    def has_match(self) -> bool:
        return self._next != NOWHERE and self._known == len(self._tokens)

    def guess(self, count: int) -> list[int]:
        """So many tokens that may come next, where there is a match."""
        tokens, end = self._tokens, len(self._tokens)
        guess: list[int] = []
        for place in range(self._next, self._next + count):
            # What repeats itself up to the very end goes on with the guess itself.
            guess.append(tokens[place] if place < end else guess[place - end])
        return guess

    def catch_up(self) -> None:
        """Take in what was appended since the last call; a long prompt takes several."""
        known = min(len(self._tokens), self._known + LONGEST_CATCH)
        for place in range(self._known, known):
            self._take(place)
        self._known = known

    def _take(self, place: int) -> None:
        tokens = self._tokens
        if tokens[place] in self._marks:
            self._run, self._next = 0, NOWHERE
            return
        self._run = min(self._run + 1, GRAM)
        if self._next != NOWHERE:
            is_right = tokens[self._next] == tokens[place]
            if place >= self._prompt_tokens:
                self.rate += RATE_WEIGHT * (is_right - self.rate)
            self._next = self._next + 1 if is_right else NOWHERE
        if self._run == GRAM:
            gram = 0
            for token in tokens[place - GRAM + 1 : place + 1]:
                gram = gram << ID_BITS | token
            if self._next == NOWHERE:
                self._next = self._places.get(gram, NOWHERE)
            self._places[gram] = place + 1
