"""A Runner without a model: the next token is a rule over everything the slot holds, so every
answer can be computed on paper. It refuses what a real one would silently get wrong.
"""

from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from server.core.ports import PrefixCounters
from server.worker.admission import Limits
from server.worker.gate import Gate
from server.worker.messages import Accepted, Ended, Grammar, SamplerOptions, Step, Submit
from server.worker.ports import (
    Batch,
    Bounds,
    Data,
    DecodeFailed,
    DecodeInterrupted,
    GrammarError,
    Matcher,
    NothingAllowed,
    Sample,
    Span,
)
from server.worker.prefix_store import PrefixStore
from server.worker.rules import Constraints
from server.worker.scheduler import Scheduler
from server.worker.shelf import NoShelf, Shelf

VOCABULARY = 1000
GREEDY = SamplerOptions(
    temperature=0.0,
    top_p=1.0,
    top_k=0,
    min_p=0.0,
    typical_p=1.0,
    repeat_penalty=1.0,
    repeat_last_n=64,
    frequency_penalty=0.0,
    presence_penalty=0.0,
    dry_multiplier=0.0,
    dry_base=1.75,
    dry_allowed_length=2,
    dry_penalty_last_n=64,
    top_n_sigma=0.0,
    xtc_probability=0.0,
    xtc_threshold=0.1,
    mirostat=0,
    mirostat_tau=5.0,
    mirostat_eta=0.1,
    seed=0,
    logit_bias={},
)


def next_token(tokens: Sequence[int]) -> int:
    """The rule: depends on every token and on their order. The last id is never drawn."""
    value = 7
    for token in tokens:
        value = (value * 31 + token + 1) % 999_983
    return value % (VOCABULARY - 1)


def copied_token(tokens: Sequence[int]) -> int:
    """Another rule: what was said seven tokens before, but for one in eleven."""
    value = next_token(tokens)
    return value if len(tokens) < 7 or value % 11 == 0 else tokens[-7]


def answer(
    prompt: Sequence[int],
    count: int,
    stop_ids: Iterable[int] = (),
    says: Callable[[Sequence[int]], int] = next_token,
) -> list[int]:
    """What a request must be answered, computed without any scheduler."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(says(tokens))
        if tokens[-1] in stop_ids:
            break
    return tokens[len(prompt) :]


class Alphabet:
    """A Matcher of texts over some ids, of bounded length. As a grammar's text: "3,4,5 2 6" is two
    to six tokens of 3, 4 and 5.
    """

    def __init__(self, text: str) -> None:
        try:
            ids, self.least, self.most = text.split()
            self.ids = {int(number) for number in ids.split(",")}
            self.least, self.most = int(self.least), int(self.most)
        except ValueError:
            raise GrammarError(f"{text!r} is no alphabet.") from None
        self.accepted: list[int] = []
        self.masks = 0

    def allows(self, token: int) -> bool:
        return len(self.accepted) < self.most and token in self.ids

    def mask(self) -> set[int]:
        self.masks += 1
        return self.ids if len(self.accepted) < self.most else set()

    def accept(self, token: int) -> None:
        assert self.allows(token)
        self.accepted.append(token)

    @property
    def may_end(self) -> bool:
        return len(self.accepted) >= self.least

    @property
    def must_end(self) -> bool:
        return len(self.accepted) >= self.most


def alphabet(text: str, end: int) -> Grammar:
    return Grammar(kind="gbnf", text=text, end=end)


def within(token: int, bounds: Bounds | None) -> int:
    """The token, or the next higher one, cyclically, that may be drawn."""
    for step in range(VOCABULARY - 1):
        candidate = (token + step) % (VOCABULARY - 1)
        if bounds is None or not bounds.refuses(candidate):
            return candidate
    if bounds.matcher is not None and bounds.matcher.may_end:
        return min(bounds.stops)
    raise NothingAllowed("nothing is allowed")


class FakeLogits:
    """Rows that know what comes after them."""

    def __init__(self, rows: list[tuple[int, Span]]) -> None:
        self.rows = rows
        self.drawn: list[int] = []

    def draw(self, row: int, bounds: Bounds | None = None) -> Sample:
        assert row not in self.drawn, "drawn twice"
        self.drawn.append(row)
        likeliest, span = self.rows[row]
        token = within(likeliest, bounds)
        if span.top_logprobs is None:
            return Sample(token)
        return Sample(token, -1.0, [(token, -1.0)])


def constrained_answer(
    submit: Submit, says: Callable[[Sequence[int]], int] = next_token
) -> list[int]:
    """What a request with rules must be answered, computed without any scheduler."""
    tokens = list(submit.prompt)
    whole = len(tokens) + submit.max_tokens
    constraints = Constraints(submit, lambda grammar: Alphabet(grammar.text))
    tokens += constraints.open(submit.max_tokens)
    while len(tokens) < whole and not (
        len(tokens) > len(submit.prompt) and tokens[-1] in submit.stop_ids
    ):
        drawn = within(says(tokens), constraints.bounds())
        kept, forced = constraints.follow(drawn, whole - len(tokens))
        tokens += [drawn, *forced] if kept else forced
    return tokens[len(submit.prompt) :]


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeRunner:
    """`poison`: a batch with a sequence that holds one of these tokens fails. `broken` fails that
    many next batches whatever they hold. `on_run` is called in the middle of each computation.
    A snapshot is the slot's tokens, copied at `copy_s` seconds a byte; `trims` says whether a slot
    can forget its last tokens. `says` is the rule.
    """

    def __init__(self, slots: int = 4, batch_tokens: int = 64, clock: Clock | None = None) -> None:
        self.batch_tokens = batch_tokens
        self.draft_tokens = 32
        self.says: Callable[[Sequence[int]], int] = next_token
        self.slots: list[list[int] | None] = [None] * slots
        self.left: dict[int, list[int]] = {}
        self.poison: set[int] = set()
        self.broken = 0
        self.on_run: Callable[[Batch], None] = lambda _batch: None
        self.batches: list[Batch] = []
        self.durations: list[float] = []
        self.seconds: Callable[[int, int], float] = lambda _streams, _prompt: 0.0
        self.copy_s = 0.0
        self.trims = True
        self.snapshots = 0
        self.interrupted = False
        self.interruptions = 0
        self._clock = clock or Clock()

    def occupy(self, slot: int, sampler: SamplerOptions) -> None:
        assert self.slots[slot] is None, f"slot {slot} is taken"
        assert isinstance(sampler, SamplerOptions)
        self.slots[slot] = self.left.pop(slot, [])

    def compile(self, grammar: Grammar) -> Matcher:
        return Alphabet(grammar.text)

    def run(self, batch: Batch) -> FakeLogits:
        self._check(batch)
        self.batches.append(batch)
        seconds = self.seconds(batch.streams, batch.prompt_tokens + batch.drafts)
        self._clock.now += seconds
        self.durations.append(seconds)
        self.on_run(batch)
        if self.interrupted:
            self._spoil(batch)
            raise DecodeInterrupted("interrupted")
        if self.broken or self._is_poisoned(batch):
            self.broken = max(self.broken - 1, 0)
            self._spoil(batch)
            raise DecodeFailed("the batch was bad")
        rows = []
        for span in batch.spans:
            held = self.held(span.slot)
            held.extend(span.tokens)
            if span.samples:
                ends = range(len(held) - span.draft, len(held) + 1)
                rows += [(self.says(held[:end]), span) for end in ends]
        return FakeLogits(rows)

    def rewind(self, slot: int) -> None:
        self.held(slot).clear()

    def snapshot_bytes(self, slot: int) -> int:
        return len(self.held(slot)) * 4

    def snapshot(self, slot: int) -> Data:
        self.snapshots += 1
        self._clock.now += self.copy_s * self.snapshot_bytes(slot)
        return array("i", self.held(slot)).tobytes()

    def restore(self, slot: int, data: Data) -> bool:
        held = self.held(slot)
        assert not held, f"slot {slot} is not empty"
        held.extend(array("i", bytes(data)))
        return -1 not in held

    def trim(self, slot: int, length: int) -> bool:
        del self.held(slot)[length:]
        return self.trims

    def release(self, slot: int) -> None:
        self.left[slot] = self.held(slot)
        self.slots[slot] = None

    def interrupt(self) -> None:
        self.interrupted = True
        self.interruptions += 1

    def resume(self) -> None:
        self.interrupted = False

    def held(self, slot: int) -> list[int]:
        held = self.slots[slot]
        assert held is not None, f"slot {slot} is empty"
        return held

    def _check(self, batch: Batch) -> None:
        order = [span.slot for span in batch.spans]
        tokens = sum(len(span.tokens) for span in batch.spans)
        assert tokens == batch.streams + batch.prompt_tokens + batch.drafts
        assert sum(span.draft for span in batch.spans) == batch.drafts <= self.draft_tokens
        assert not (batch.drafts and batch.prompt_tokens)
        assert order == sorted(set(order)), "slots out of order, or twice"
        assert 0 < sum(len(span.tokens) for span in batch.spans) <= self.batch_tokens
        for span in batch.spans:
            assert span.tokens, "an empty span"
            assert span.start == len(self.held(span.slot)), "tokens missing or computed twice"

    def _is_poisoned(self, batch: Batch) -> bool:
        return any(
            self.poison.intersection(self.held(span.slot) + list(span.tokens))
            for span in batch.spans
        )

    def _spoil(self, batch: Batch) -> None:
        # As llama.cpp may: an unknown part of the batch stays behind.
        self.held(batch.spans[0].slot).extend(batch.spans[0].tokens)


class Desk:
    """A scheduler over a fake runner, and everything it ever reported."""

    def __init__(
        self,
        slots: int = 4,
        batch_tokens: int = 64,
        max_stall_s: float = 0.7,
        snapshot_bytes: int = 0,
        shelf: Shelf | None = None,
        **limits_given: Any,
    ) -> None:
        self.clock = Clock()
        self.runner = FakeRunner(slots, batch_tokens, self.clock)
        limits = Limits(
            slots=slots,
            context_length=5000,
            vocabulary_size=VOCABULARY,
            max_stall_s=max_stall_s,
            **{"queue_limit": 100, **limits_given},
        )
        self.gate = Gate(limits, self.clock)
        self.store = PrefixStore(snapshot_bytes, shelf or NoShelf())
        self.scheduler = Scheduler(self.runner, limits, self.gate, self.store, self.clock)
        self.tokens: dict[int, list[int]] = {}
        self.ended: dict[int, Ended] = {}
        self.stalls = 0
        self.prefixes = PrefixCounters()

    def submit(
        self, request: int, prompt: Sequence[int], count: int = 5, **fields: object
    ) -> object:
        submit = submission(request, prompt, count, **fields)
        report = self.gate.enter(submit)
        if isinstance(report, Accepted):
            self.scheduler.submit(submit)
        return report

    def step(self) -> Batch | None:
        """One plan -> run -> advance, as the loop does it."""
        batch = self.scheduler.plan()
        if batch is not None:
            try:
                self.scheduler.advance(batch, self.runner.run(batch))
            except DecodeFailed as error:
                self.scheduler.fail(batch, str(error))
        self.collect()
        return batch

    def collect(self) -> None:
        if step := self.scheduler.report():
            self.keep(step)

    def finish(self) -> None:
        """Step until nothing is left to do."""
        while not self.scheduler.idle:
            assert self.step() is not None or self.scheduler.idle
        self.collect()
        assert self.runner.slots == [None] * len(self.runner.slots), "a slot leaked"

    def keep(self, step: Step) -> None:
        """Remember a report, and that it may follow those before."""
        self.stalls = step.stalls
        self.prefixes = step.prefixes or self.prefixes
        for token in step.tokens:
            assert token.id not in self.ended, "a token after the end"
            self.tokens.setdefault(token.id, []).append(token.token)
        for end in step.ended:
            assert end.id not in self.ended, "ended twice"
            self.ended[end.id] = end


def submission(request: int, prompt: Sequence[int], count: int = 5, **fields: object) -> Submit:
    values = {"stop_ids": [], "sampler": GREEDY} | fields
    return Submit(id=request, prompt=list(prompt), max_tokens=count, **values)
