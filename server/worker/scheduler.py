"""Who runs next: running streams first, one token each, then as much of the prompts as the pace
allows. Pure: knows no llama.cpp, no socket, and time only through the clock it is given.

A step is plan -> run -> advance; what went wrong in between comes back as fail, rewind or abandon.
Every accepted request ends exactly once, in a `Step` of `report`.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from server.worker.admission import Limits
from server.worker.gate import Gate
from server.worker.messages import Ended, EndReason, Step, Submit, Token
from server.worker.pace import Pace
from server.worker.ports import Batch, Runner, Sample
from server.worker.prefix_store import PrefixStore
from server.worker.queue import Queue
from server.worker.reuse import Reuse
from server.worker.sequence import Sequence
from server.worker.slots import Slots


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
        self._slots = Slots(limits.slots, runner)
        self._reuse = Reuse(runner, store, self._slots, limits.max_stall_s, clock)
        self._queue = Queue(limits.owner_slots)
        self._alive: dict[int, Sequence] = {}
        self._planned_at = 0.0
        self._stalls = 0
        self._tokens: list[Token] = []
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
        sequence = Sequence(submit, self._clock())
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
                return self._batch([sequence], {sequence.slot: self._batch_tokens})
            if sequence.hold is None:
                (streams if sequence.streams else prompts).append(sequence)
        if not prompts:
            spans = [sequence.span(1) for sequence in streams]
            return Batch(spans, len(spans), 0) if spans else None
        allowance = self.pace.allowance(len(streams), self._batch_tokens)
        return self._batch(self._slots, self._shares(prompts, allowance))

    def advance(self, batch: Batch, samples: list[Sample]) -> None:
        """Take the results of the planned batch."""
        now = self._clock()
        taken_s = now - self._planned_at
        self.pace.observe(batch.streams, batch.prompt_tokens, taken_s)
        if batch.streams and taken_s > self.pace.max_stall_s:
            self._stalls += 1
        drawn = iter(samples)
        for span in batch.spans:
            sequence = self._slots[span.slot]
            sequence.computed += len(span.tokens)
            if sequence.computed <= sequence.prompt_tokens:
                self._reuse.keep(sequence)
            if span.samples:
                self._take(sequence, next(drawn), now)

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
        if not self._tokens and not self._ended:
            return None
        step = Step(
            tokens=self._tokens,
            ended=self._ended,
            running=self._slots.occupied,
            waiting=len(self._queue),
            stalls=self._stalls,
            prefixes=self._store.news(),
        )
        self._tokens, self._ended = [], []
        return step

    def requests(self, batch: Batch) -> set[int]:
        """The ids that this batch computes for."""
        return {sequence.id for sequence in self._sequences(batch)}

    def _sequences(self, batch: Batch) -> list[Sequence]:
        slots = {span.slot for span in batch.spans}
        return [sequence for sequence in self._slots if sequence.slot in slots]

    def _admit(self) -> None:
        while self._slots.free and len(self._queue):
            running = Counter(sequence.owner for sequence in self._slots)
            sequence = self._queue.first(running)
            if sequence is None:
                return
            self._slots.occupy(sequence, self._clock())
            self._queue.serve(sequence)
            self._reuse.start(sequence)

    def _batch(self, sequences: Iterable[Sequence], shares: dict[int, int]) -> Batch:
        """Streams and the prompts that have a share; in order of slot, for llama.cpp computes
        neighbours together.
        """
        spans = []
        streams = prompt_tokens = 0
        for sequence in sequences:
            if sequence.streams:
                streams += 1
                spans.append(sequence.span(1))
            elif share := min(shares.get(sequence.slot, 0), sequence.stretch):
                prompt_tokens += share
                spans.append(sequence.span(share))
        return Batch(spans, streams, prompt_tokens)

    def _take(self, sequence: Sequence, sample: Sample, now: float) -> None:
        token, logprob, top = sample
        if logprob is None:
            self._tokens.append(Token(id=sequence.id, token=token))
        else:
            self._tokens.append(Token(id=sequence.id, token=token, logprob=logprob, top=list(top)))
        if reason := sequence.append(token, now):
            self._end(sequence, reason, "")

    def _end(self, sequence: Sequence, reason: EndReason, message: str) -> None:
        now = self._clock()
        del self._alive[sequence.id]
        self._ended.append(sequence.ended(reason, message, now))
        if self._queue.remove(sequence):
            self._gate.leave(sequence.id, None)
        else:
            occupied_s = now - sequence.submitted_at - self._ended[-1].queue_s
            self._slots.release(sequence)
            self._gate.leave(sequence.id, occupied_s)

    def _shares(self, prompts: list[Sequence], allowance: int) -> dict[int, int]:
        """The tokens each prompt may compute, by slot. The one that is done soonest comes first;
        but whoever has waited as long as its own prompt takes is passed by nobody who comes then.
        """
        token_s, now = self.pace.prompt_token_s or 0.0, self._planned_at

        def urgency(sequence: Sequence) -> tuple[float, int]:
            waited_s = now - (now if sequence.admitted_at is None else sequence.admitted_at)
            return sequence.pending * token_s - waited_s, sequence.pending

        shares = {}
        for sequence in sorted(prompts, key=urgency):
            shares[sequence.slot] = share = min(sequence.stretch, allowance)
            allowance -= share
            if allowance == 0:
                break
        return shares
