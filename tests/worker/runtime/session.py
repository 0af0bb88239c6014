"""A scheduler over the loaded model, driven step by step."""

import time
from collections.abc import Callable

import msgspec

from server.core.ports import SpeculationCounters
from server.worker.admission import Limits
from server.worker.gate import Gate
from server.worker.messages import Accepted, Ended, Submit, Token
from server.worker.prefix_store import PrefixStore
from server.worker.runtime.load import Runtime
from server.worker.scheduler import Scheduler
from server.worker.shelf import NoShelf


class Session:
    """Fresh, but for the store that it may share with others; without one it keeps no prompts.
    Unless it `speculates` nothing is guessed: when to, the clock decides, and guesses change the
    last bits of logits.
    """

    def __init__(
        self,
        runtime: Runtime,
        max_stall_s: float = 0.7,
        store: PrefixStore | None = None,
        clock: Callable[[], float] = time.monotonic,
        speculates: bool = False,
    ) -> None:
        limits = Limits(
            slots=runtime.loaded.slots,
            context_length=runtime.loaded.context_length,
            vocabulary_size=runtime.model.vocabulary_size,
            queue_limit=100,
            max_stall_s=max_stall_s,
        )
        self.speculates = speculates
        self.runner = runtime.runner
        for slot in range(limits.slots):
            self.runner.rewind(slot)
        self.gate = Gate(limits, clock)
        self.store = store or PrefixStore(0, NoShelf())
        self.scheduler = Scheduler(runtime.runner, limits, self.gate, self.store, clock)
        self.tokens: dict[int, list[Token]] = {}
        self.ended: dict[int, Ended] = {}
        self.speculation: SpeculationCounters | None = None

    def submit(self, submit: Submit) -> None:
        submit = msgspec.structs.replace(submit, speculate=submit.speculate and self.speculates)
        assert self.gate.enter(submit) == Accepted(id=submit.id)
        self.scheduler.submit(submit)
        self.tokens[submit.id] = []

    def step(self) -> None:
        if batch := self.scheduler.plan():
            self.scheduler.advance(batch, self.runner.run(batch))
        if step := self.scheduler.report():
            for token in step.tokens:
                self.tokens[token.id].append(token)
            self.speculation = step.speculation or self.speculation
            self.ended |= {end.id: end for end in step.ended}

    def finish(self) -> dict[int, list[int]]:
        while not self.scheduler.idle:
            self.step()
        self.step()
        return {n: [token.token for token in tokens] for n, tokens in self.tokens.items()}
