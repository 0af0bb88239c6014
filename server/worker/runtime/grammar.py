"""What text may be drawn, token by token: grammars matched against the model's own tokens by
llguidance. Knows neither logits nor samplers nor who asked.
"""

import json
import re
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper
from numpy.typing import NDArray

from server.worker.lark import lark_of
from server.worker.messages import Grammar
from server.worker.ports import GrammarError

T = TypeVar("T")

# llguidance's errors: where in a text that the client never saw, and what the matcher looked like.
PLACE = re.compile(r"^at \d+\(\d+\): (failed to compile JSON schema: )?")
DUMP = re.compile(r"\n\s*\d+ \| |\s*<state>|\s*<non-verbose/>|; either increase limits")
DEAD_END = "NoExtension"
NOTHING = "The grammar leads nowhere: nothing matches it."

# Between two pieces of JSON: nothing, a blank, or a new line and its indentation. Bounded, so that
# no answer is spent on blanks.
WHITESPACE = r"\x20|\n(\x20{0,32}|\t{0,16})"
# Without \u a string has one spelling only: a key cannot come twice under two spellings, and no
# half of a surrogate pair is written.
ESCAPES = 'nrbtf\\"'
MAX_TEXT_BYTES = 1 << 19
# Nothing is drawn because it is the only way on: every token is asked about, whatever its spelling.
HEADER = '%llguidance {"no_forcing": true}\n'
# A client's grammar may neither hold a step up nor fill the memory: some 20 items a microsecond,
# 2 kB a state. What is more complex fails with GrammarError.
MAX_STEP_ITEMS = 400_000
MAX_LEXER_STATES = 100_000


class Vocabulary:
    """The tokens that grammars are matched against; `tokens[id]` are the bytes of token id.
    `hidden` ids (control tokens, and those that end an answer) are never text.
    """

    def __init__(self, tokens: Sequence[bytes], hidden: Sequence[int]) -> None:
        self.size = len(tokens)
        self.is_hidden = bytearray(self.size)
        for token in hidden:
            self.is_hidden[token] = True
        # llguidance wants a token that ends the text. One of its own is none of the model's.
        self._source = _Source([*tokens, b"<end>"], [*hidden, self.size])
        self._lock = threading.Lock()
        self._trie: LLTokenizer | None = None

    @property
    def trie(self) -> LLTokenizer:
        """All tokens as a prefix tree, built on first use: half a second and 80 MiB for 200,000
        tokens, during which other Python threads wait.
        """
        with self._lock:
            if self._trie is None:
                self._trie = LLTokenizer(TokenizerWrapper(self._source))
            return self._trie


class _Source:
    """What llguidance reads a vocabulary from."""

    bos_token_id = None

    def __init__(self, tokens: list[bytes], special: list[int]) -> None:
        self.tokens = tokens
        self.special_token_ids = special
        self.eos_token_id = len(tokens) - 1

    def __call__(self, _text: bytes | str) -> list[int]:
        # Asked only for text that is forced, which `HEADER` rules out.
        raise NotImplementedError


class TokenMatcher:
    """One text in the making; a `worker.ports.Matcher`. Used by one thread at a time.

    Errors of `allows`, `mask` and `accept`: GrammarError when the grammar turns out to be too
    complex to be followed; the text then cannot be continued.
    """

    def __init__(self, matcher: LLMatcher, vocabulary: Vocabulary) -> None:
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._is_over = False

    def allows(self, token: int) -> bool:
        """Whether this token may come next. Microseconds."""
        if self._vocabulary.is_hidden[token]:
            return False
        if self._matcher.validate_tokens([token]):
            return True
        self._check()
        return False

    def mask(self) -> NDArray[np.bool_]:
        """Which tokens may come next, by id. Hidden ids never may."""
        packed = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        bits = np.unpackbits(packed, count=self._vocabulary.size, bitorder="little")
        self._is_over = not bits.any()
        return bits.view(np.bool_)

    def accept(self, token: int) -> None:
        """The token was kept. Errors: GrammarError also for one that is not allowed."""
        if self._vocabulary.is_hidden[token] or not self._matcher.consume_token(token):
            self._check()
            raise GrammarError(f"Token {token} is not in the grammar here.")

    @property
    def may_end(self) -> bool:
        return self._matcher.is_accepting()

    @property
    def must_end(self) -> bool:
        """Whether nothing may follow. Of some grammars that is known only after a `mask`."""
        return self._is_over or self._matcher.is_stopped()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise GrammarError(_reason(self._matcher.get_error()))


class Grammars:
    """Makes matchers over one model's tokens. Safe to use from several threads."""

    def __init__(self, tokens: Sequence[bytes], hidden: Sequence[int]) -> None:
        self._vocabulary = Vocabulary(tokens, hidden)

    def compile(self, grammar: Grammar) -> TokenMatcher:
        """A matcher at the beginning of a text. Takes a millisecond, half a second for the largest
        grammars. Errors: GrammarError, one sentence.
        """
        text = _lark_text(grammar)
        trie = self._vocabulary.trie
        limits = LLParserLimits(
            step_max_items=MAX_STEP_ITEMS,
            max_lexer_states=MAX_LEXER_STATES,
            verbose_errors=False,
        )
        matcher = _calm(lambda: LLMatcher(trie, text, log_level=0, limits=limits))
        if matcher.is_error():
            raise GrammarError(_reason(matcher.get_error()))
        return TokenMatcher(matcher, self._vocabulary)

    def check(self, grammar: Grammar) -> str | None:
        """Why this grammar cannot be followed, in one sentence; None: it can."""
        try:
            matcher = self.compile(grammar)
            if not matcher.may_end and not matcher.mask().any():
                return NOTHING
        except GrammarError as error:
            return str(error)
        return None


def _lark_text(grammar: Grammar) -> str:
    try:
        size = len(grammar.text.encode())
    except UnicodeEncodeError as error:
        raise GrammarError("The grammar holds half of a surrogate pair.") from error
    if size > MAX_TEXT_BYTES:
        raise GrammarError(f"The grammar is longer than {MAX_TEXT_BYTES} bytes; shorten it.")
    if grammar.kind == "gbnf":
        return HEADER + lark_of(grammar.text)
    return HEADER + _lark_of_schema(grammar.text)


def _lark_of_schema(text: str) -> str:
    try:
        schema = json.loads(text)
        if isinstance(schema, bool):
            schema = {} if schema else {"enum": []}
        form = {"whitespace_pattern": WHITESPACE, "json_allowed_escapes": ESCAPES}
        return "start: %json " + json.dumps({**schema, "x-guidance": form}, allow_nan=False) + "\n"
    except (ValueError, TypeError, RecursionError) as error:
        raise GrammarError("The grammar is no JSON schema.") from error


def _calm(make: Callable[[], T]) -> T:
    """What `make` makes. Errors: GrammarError where llguidance panics."""
    try:
        return make()
    except BaseException as error:
        # A Rust panic is no Exception and would take the worker with it.
        if type(error).__name__ != "PanicException":
            raise
        raise GrammarError("The grammar cannot be followed; simplify it.") from error


def _reason(text: str) -> str:
    """llguidance's reason as a sentence, without its dump of the state."""
    if text.startswith(DEAD_END):
        return NOTHING
    reason = " ".join(PLACE.sub("", DUMP.split(text)[0]).split())
    return f"The grammar cannot be followed: {reason or 'no reason is known'}."
