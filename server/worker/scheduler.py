"""Who runs next: running streams first, one token each, then as much of what is forced on them and
of the prompts as the pace allows. Pure: knows no llama.cpp, no socket, and time only through the
clock it is given. A step is plan -> run -> advance; what went wrong in between comes back as fail,
rewind or abandon. Every accepted request ends exactly once, in a `Step` of `report`.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from server.worker.admission import Limits
from server.worker.answers import Answers, End
from server.worker.gate import Gate
from server.worker.messages import Ended, EndReason, Step, Submit
from server.worker.pace import Pace
from server.worker.ports import Batch, Logits, Runner, Span
from server.worker.prefix_store import PrefixStore
from server.worker.queue import Queue
from server.worker.reuse import Reuse
from server.worker.sequence import Sequence
from server.worker.shares import shared_out, urgency
from server.worker.slots import Slots
from server.worker.speculation import Speculation


class Scheduler:
    """Requests that the gate let in, over the slots of one runner. What the store has of their
    prompts is not computed again.
    """

    def __init__(
        self,
        runner: Runner,
        limits: Limits,
        gate: Gate,
        store: PrefixStore,
        clock: Callable[[], float],
    ) -> None:
        self.pace = Pace(limits.max_stall_s)
        self._gate = gate
        self._store = store
        self._clock = clock
        self._batch_tokens = runner.batch_tokens
        self._compile = runner.compile
        self._slots = Slots(limits.slots, runner)
        self._reuse = Reuse(runner, store, self._slots, limits.max_stall_s, clock)
        self._queue = Queue(limits.owner_slots)
        self._alive: dict[int, Sequence] = {}
        self._planned_at = 0.0
        self._stalls = 0
        self._answers = Answers()
        self._speculation = Speculation(self.pace, runner.draft_tokens)
        self._ended: list[Ended] = []

    @property
    def idle(self) -> bool:
        return not self._alive

    @property
    def has_ended(self) -> bool:
        """Whether the next report tells of a request that ended."""
        return bool(self._ended)

    def submit(self, submit: Submit) -> None:
        """Take in a request that has passed the gate."""
        sequence = Sequence(submit, self._clock(), self._compile)
        self._alive[submit.id] = sequence
        self._queue.put(sequence)

    def cancel(self, request: int) -> None:
        """End this request; unknown and ended ones are ignored."""
        if sequence := self._alive.get(request):
            self._end(sequence, "cancelled", "")

    def plan(self) -> Batch | None:
        """The next step's work, of at most `batch_tokens` tokens; None when there is none."""
        self._reuse.settle()
        self._admit()
        self._planned_at = self._clock()
        streams: list[Sequence] = []
        prompts: list[Sequence] = []
        for sequence in self._slots:
            if sequence.alone:
                share = self._batch_tokens - sequence.streams
                return self._batch([sequence], {sequence.slot: share})
            if sequence.hold is None:
                (streams if sequence.streams else prompts).append(sequence)
        forced = [sequence for sequence in streams if sequence.pending > 1]
        if not prompts and not forced:
            return self._streams(streams)
        allowance = self.pace.allowance(len(streams), self._batch_tokens)
        token_s = self.pace.prompt_token_s or 0.0
        shares = shared_out(forced, prompts, allowance, urgency(self._planned_at, token_s))
        return self._batch(self._slots, shares)

    def advance(self, batch: Batch, logits: Logits) -> None:
        """Take the results of the planned batch."""
        computed_s = self._clock() - self._planned_at
        for span in batch.spans:
            sequence = self._slots[span.slot]
            sequence.advance(len(span.tokens) - span.draft)
            if sequence.computed <= sequence.prompt_tokens:
                self._reuse.keep(sequence)
        now = self._clock()
        self._draw(batch, logits, now)
        # Drawing counts: over a large vocabulary it takes its time. Snapshots do not.
        seconds = computed_s + self._clock() - now
        if not batch.drafts:
            self.pace.observe(batch.streams, batch.prompt_tokens, seconds)
        if not batch.prompt_tokens:
            lengths = [span.draft for span in batch.spans]
            self._speculation.observe(lengths, batch.streams, seconds)
        if batch.streams and seconds > self.pace.max_stall_s:
            self._stalls += 1

    def fail(self, batch: Batch, message: str) -> None:
        """The batch was not computed. Each of its sequences is tried again alone, from its start,
        for the slots hold an unknown part of the batch; one that was alone ends.
        """
        sequences = self._sequences(batch)
        if len(sequences) == 1:
            self._end(sequences[0], "failed", message)
            return
        for sequence in sequences:
            self._slots.rewind(sequence)
            sequence.alone = True

    def rewind(self, batch: Batch) -> None:
        """The batch was left on request: its sequences start again, unless they are cancelled."""
        for sequence in self._sequences(batch):
            self._slots.rewind(sequence)

    def abandon(self, batch: Batch | None, message: str) -> None:
        """End the batch's requests as failed; without a batch, all of them."""
        for sequence in list(self._alive.values()) if batch is None else self._sequences(batch):
            self._end(sequence, "failed", message)

    def report(self) -> Step | None:
        """What happened since the last report, if anything did."""
        if not self._answers.news and not self._ended:
            return None
        step = Step(
            tokens=self._answers.take_news(),
            ended=self._ended,
            running=self._slots.occupied,
            waiting=len(self._queue),
            stalls=self._stalls,
            prefixes=self._store.news(),
            speculation=self._speculation.news(),
        )
        self._ended = []
        return step

    def requests(self, batch: Batch) -> set[int]:
        """The ids that this batch computes for."""
        return {sequence.id for sequence in self._sequences(batch)}

    def _draw(self, batch: Batch, logits: Logits, now: float) -> None:
        row = 0
        for span in batch.spans:
            sequence = self._slots[span.slot]
            end = None
            if span.draft:
                end = self._verify(sequence, span, logits, row, now)
                row += 1 + span.draft
            elif span.samples:
                end = self._answers.draw(sequence, logits, row, now)
                row += 1
            elif not sequence.pending:
                end = self._answers.begin(sequence, now)
            if end is not None:
                self._end(sequence, end.reason, end.message)

    def _verify(
        self, sequence: Sequence, span: Span, logits: Logits, row: int, now: float
    ) -> End | None:
        computed, draft = sequence.computed, span.tokens[-span.draft :]
        end = self._answers.verify(sequence, draft, logits, row, now)
        accepted = sequence.computed - computed
        self._speculation.count(span.draft, accepted)
        if end is None and accepted < span.draft:
            self._slots.trim(sequence)
        return end

    def _sequences(self, batch: Batch) -> list[Sequence]:
        slots = {span.slot for span in batch.spans}
        return [sequence for sequence in self._slots if sequence.slot in slots]

    def _admit(self) -> None:
        while len(self._queue) and self._slots.free:
            running = Counter(sequence.owner for sequence in self._slots)
            sequence = self._queue.first(running)
            if sequence is None:
                return
            self._slots.occupy(self._reuse.choose(sequence), sequence, self._clock())
            self._queue.serve(sequence)
            if end := self._answers.open(sequence):
                self._end(sequence, end.reason, end.message)
            else:
                self._reuse.start(sequence)

    def _streams(self, streams: list[Sequence]) -> Batch | None:
        """A token for each, and what it may say next."""
        room = self.pace.allowance(len(streams), self._batch_tokens)
        guesses = self._speculation.guesses(streams, room)
        drafts = sum(map(len, guesses))
        if drafts:
            spans = [s.guess(guess) for s, guess in zip(streams, guesses, strict=True)]
        else:
            spans = [sequence.span(1) for sequence in streams]
        return Batch(spans, len(spans), 0, drafts) if spans else None

    def _batch(self, sequences: Iterable[Sequence], shares: dict[int, int]) -> Batch:
        """Streams, by one token and their share, and the prompts that have one; in order of slot,
        for llama.cpp computes neighbours together.
        """
        spans = []
        streams = prompt_tokens = 0
        for sequence in sequences:
            share = shares.get(sequence.slot, 0)
            if sequence.streams:
                streams += 1
                share = min(share, sequence.pending - 1)
                spans.append(sequence.span(1 + share))
            elif share := min(share, sequence.stretch):
                spans.append(sequence.span(share))
            prompt_tokens += share
        return Batch(spans, streams, prompt_tokens)

    def _end(self, sequence: Sequence, reason: EndReason, message: str) -> None:
        now = self._clock()
        del self._alive[sequence.id]
        self._ended.append(sequence.ended(reason, message, now))
        if self._queue.remove(sequence):
            self._gate.leave(sequence.id, None)
        else:
            occupied_s = now - sequence.submitted_at - self._ended[-1].queue_s
            self._reuse.leave(sequence, sound=reason != "failed")
            self._slots.release(sequence)
            self._gate.leave(sequence.id, occupied_s)
