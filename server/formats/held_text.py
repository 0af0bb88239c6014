"""Text that has come token by token and is not yet known to be anything. Knows where its tokens
begin, not what it means.
"""

from collections import deque
from collections.abc import Collection

from server.core.events import TokenLogprob


class HeldText:
    """`text` is what is held. Every token is told once: with its first character, or with the one
    that it was the beginning of.
    """

    def __init__(self) -> None:
        self.text = ""
        self._pieces: deque[tuple[str, TokenLogprob | None, bool]] = deque()

    def write(self, text: str, logprob: TokenLogprob | None) -> None:
        """What a token completes, perhaps nothing."""
        self._pieces.append((text, logprob, True))
        self.text += text

    def write_rest(self, text: str) -> None:
        """Text that belongs to no token of its own."""
        if text:
            self._pieces.append((text, None, False))
            self.text += text

    def take(self, count: int) -> list[tuple[str, TokenLogprob | None, bool]]:
        """The first characters as (text, log probability, whether a token begins there)."""
        taken: list[tuple[str, TokenLogprob | None, bool]] = []
        self.text = self.text[count:]
        while count > 0:
            text, logprob, begins = self._pieces.popleft()
            if len(text) > count:
                self._pieces.appendleft((text[count:], None, False))
                text = text[:count]
            taken.append((text, logprob, begins))
            count -= len(text)
        return taken


def withheld(text: str, tags: Collection[str]) -> int:
    """How many of the last characters may be the beginning of one of these tags."""
    longest = max(map(len, tags), default=0)
    for size in range(min(longest - 1, len(text)), 0, -1):
        if any(tag.startswith(text[-size:]) for tag in tags):
            return size
    return 0
