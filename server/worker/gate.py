"""Who may come in: answers every request when it arrives, also while the engine computes. Knows how
many are inside, not what they do there.
"""

from collections.abc import Callable
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

    def __init__(self, limits: Limits, check: Check | None = None) -> None:
        self._limits = limits
        self._check = check
        self._lock = Lock()
        self._inside: set[int] = set()
        self._occupancy_s: float | None = None

    def enter(self, submit: Submit) -> Accepted | Refused:
        """Let a request in, or say why not. One that is in must `leave`."""
        if refused := refusal(submit, self._limits) or self._grammar_refusal(submit):
            return refused
        with self._lock:
            if submit.id in self._inside:
                message = f"Request {submit.id} is running already; every request needs its own id."
                return Refused(id=submit.id, kind="invalid", message=message)
            if len(self._inside) >= self._limits.slots + self._limits.queue_limit:
                return self._busy(submit)
            self._inside.add(submit.id)
        return Accepted(id=submit.id)

    def leave(self, request: int, occupied_s: float | None) -> None:
        """The request has ended after so long in a slot; None when it never had one."""
        with self._lock:
            self._inside.discard(request)
            if occupied_s is not None:
                known = occupied_s if self._occupancy_s is None else self._occupancy_s
                self._occupancy_s = known + OCCUPANCY_WEIGHT * (occupied_s - known)

    def _grammar_refusal(self, submit: Submit) -> Refused | None:
        if self._check is not None:
            for grammar in grammars(submit):
                if fault := self._check(grammar):
                    return Refused(id=submit.id, kind="invalid", message=fault)
        return None

    def _busy(self, submit: Submit) -> Refused:
        slots, waiting = self._limits.slots, len(self._inside) - self._limits.slots
        wait_s = max((self._occupancy_s or 0.0) * (waiting + 1) / slots, LEAST_RETRY_S)
        message = (
            f"The model is answering {slots} requests and {waiting} more wait, which is all it"
            f" takes; try again in {wait_s:.0f} s."
        )
        return Refused(id=submit.id, kind="busy", message=message, retry_after=wait_s)
