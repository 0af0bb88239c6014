"""Who may come in: answers every request when it arrives, also while the engine computes. Knows how
many are inside and whose they are, not what they do there.
"""

from collections import Counter
from collections.abc import Callable
from math import ceil
from threading import Lock
from typing import TypeAlias

from server.worker.admission import Limits, refusal
from server.worker.messages import Accepted, Grammar, Refused, Submit
from server.worker.rule_limits import grammars

# Why a grammar cannot be used, if it cannot. Called while the engine computes.
Check: TypeAlias = Callable[[Grammar], str | None]

# Weight of the newest ended request in the estimate of how long one holds its slot.
OCCUPANCY_WEIGHT = 0.3
LEAST_RETRY_S = 1.0


class Gate:
    """Counts the requests from acceptance to end. Any thread may call it."""

    def __init__(
        self, limits: Limits, clock: Callable[[], float], check: Check | None = None
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._check = check
        self._lock = Lock()
        # Owner and time of entry by id, in order of entry.
        self._inside: dict[int, tuple[bytes, float]] = {}
        self._occupancy_s: float | None = None

    def enter(self, submit: Submit) -> Accepted | Refused:
        """Let a request in, or say why not. One that is in must `leave`."""
        if refused := refusal(submit, self._limits) or self._grammar_refusal(submit):
            return refused
        with self._lock:
            if submit.id in self._inside:
                message = f"Request {submit.id} is running already; every request needs its own id."
                return Refused(id=submit.id, kind="invalid", message=message)
            if busy := self._busy(submit):
                return busy
            self._inside[submit.id] = submit.owner, self._clock()
        return Accepted(id=submit.id)

    def leave(self, request: int, occupied_s: float | None) -> None:
        """The request has ended after so long in a slot; None when it never had one."""
        with self._lock:
            self._inside.pop(request, None)
            if occupied_s is not None:
                known = occupied_s if self._occupancy_s is None else self._occupancy_s
                self._occupancy_s = known + OCCUPANCY_WEIGHT * (occupied_s - known)

    def _grammar_refusal(self, submit: Submit) -> Refused | None:
        if self._check is not None:
            for grammar in grammars(submit):
                if fault := self._check(grammar):
                    return Refused(id=submit.id, kind="invalid", message=fault)
        return None

    def _busy(self, submit: Submit) -> Refused | None:
        limits = self._limits
        wait_s = self._wait_s(submit.owner)
        waiting = len(self._inside) - limits.slots
        if waiting >= limits.queue_limit:
            running = "1 request" if limits.slots == 1 else f"{limits.slots} requests"
            wait = f"{waiting} more {'waits' if waiting == 1 else 'wait'}"
            fault = f"The model is answering {running} and {wait}, which is all it takes"
        elif wait_s > limits.queue_deadline_s:
            fault = (
                f"This request would wait about {ceil(wait_s)} s for its turn, and at most"
                f" {limits.queue_deadline_s:g} s are allowed"
            )
        else:
            return None
        retry_s = max(wait_s, LEAST_RETRY_S)
        message = f"{fault}; try again in {ceil(retry_s)} s."
        return Refused(id=submit.id, kind="busy", message=message, retry_after=retry_s)

    def _wait_s(self, owner: bytes) -> float:
        """Until this owner's next request gets a slot, when slots go to the owners in turn."""
        slots, most = self._limits.slots, self._limits.owner_slots
        inside = Counter(whose for whose, _ in self._inside.values())
        own = inside.pop(owner, 0)
        turns = 0.0
        if own + inside.total() >= slots:
            before = own + sum(min(other, own + 1) for other in inside.values())
            turns = max(before + 1 - slots, 1) / slots
        if most is not None and own >= most:
            turns = max(turns, (own + 1 - most) / most)
        return turns * self._likely_occupancy_s()

    def _likely_occupancy_s(self) -> float:
        """How long a request holds its slot; before the first has ended, at least what the oldest
        one has taken.
        """
        if self._occupancy_s is not None:
            return self._occupancy_s
        oldest = next(iter(self._inside.values()), None)
        return 0.0 if oldest is None else self._clock() - oldest[1]
