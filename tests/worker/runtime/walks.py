"""Walks through a grammar: texts drawn at random from its masks, and given texts token by token."""

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from server.worker.messages import Grammar
from server.worker.runtime.grammar import Grammars, TokenMatcher

# After so many tokens a walk makes for the end.
PATIENCE = 40
MAX_TOKENS = 2000
CLOSING = (b'"', b"}", b"]", b"0", b"@")


class Walker:
    """Tokens as bytes, and the grammars over them."""

    def __init__(self, tokens: Sequence[bytes], hidden: Sequence[int]) -> None:
        self.tokens = list(tokens)
        self.hidden = set(hidden)
        self.grammars = Grammars(tokens, hidden)
        self._ids = {token: i for i, token in enumerate(tokens) if i not in self.hidden}
        self._longest = max(map(len, self._ids))
        self._hidden = sorted(hidden)
        self._closing = [self._ids[token] for token in CLOSING]
        self._single = [i for token, i in self._ids.items() if len(token) == 1]

    def compile(self, kind: str, text: str) -> TokenMatcher:
        return self.grammars.compile(Grammar(kind=kind, text=text, end=0))

    def tokens_of(self, text: str, chance: random.Random | None = None) -> list[int]:
        """One of the many ways to spell a text in tokens; without `chance` byte by byte."""
        if chance is None:
            return [self._ids[bytes([byte])] for byte in text.encode()]
        data, ids = text.encode(), []
        while data:
            ways = [n for n in range(1, min(len(data), self._longest) + 1) if data[:n] in self._ids]
            length = chance.choice(ways)
            ids.append(self._ids[data[:length]])
            data = data[length:]
        return ids

    def draw(self, matcher: TokenMatcher, chance: random.Random) -> str:
        """A whole text of the grammar, every token from the mask, which is compared with
        `allows`.
        """
        text = b""
        for step in range(MAX_TOKENS):
            mask = matcher.mask()
            assert mask.shape == (len(self.tokens),)
            for token in chance.sample(range(len(self.tokens)), 8):
                assert matcher.allows(token) == mask[token]
            allowed = mask.nonzero()[0]
            assert not mask[self._hidden].any()
            assert matcher.must_end == (not allowed.size)
            assert allowed.size or matcher.may_end, text
            if matcher.may_end and (not allowed.size or step > PATIENCE or chance.random() < 0.2):
                return text.decode()
            token = self._pick(mask, allowed, step, chance)
            matcher.accept(token)
            text += self.tokens[token]
        raise AssertionError(f"no end: {text!r}")

    def _pick(
        self,
        mask: NDArray[np.bool_],
        allowed: NDArray[np.intp],
        step: int,
        chance: random.Random,
    ) -> int:
        """Any token at first; later mostly those that bring a text to its end, and single bytes,
        for one of them may be the only way on.
        """
        way = chance.random() + (step > PATIENCE)
        closing = [token for token in self._closing if mask[token]]
        single = [token for token in self._single if mask[token]]
        if closing and way > 1.5:
            return chance.choice(closing)
        return chance.choice(single) if single and way > 0.8 else int(chance.choice(allowed))

    def feed(self, matcher: TokenMatcher, text: str, chance: random.Random | None = None) -> str:
        """How much of a text the grammar lets pass, token by token."""
        passed = b""
        for token in self.tokens_of(text, chance):
            if not matcher.allows(token):
                break
            matcher.accept(token)
            passed += self.tokens[token]
        return passed.decode(errors="replace")
