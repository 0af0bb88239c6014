"""Which models are in memory, and which of them must go so that another can come.

Knows how much memory each takes and who is asked just now, not what a model is or how it is loaded.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from server.core.errors import ServerError
from server.core.ports import Backend

log = logging.getLogger(__name__)

GIB = 1 << 30
# When to come back for a model that others are in the way of.
RETRY_S = 5.0


class Resident:
    """A model that stays. `expected_bytes`: about what it takes, as long as it is not there."""

    def __init__(self, backend: Backend, expected_bytes: Callable[[], int]) -> None:
        self._backend = backend
        self._expected_bytes = expected_bytes

    def hidden_bytes(self) -> int:
        """What of its memory the system still calls available: it may need that at any moment."""
        unclaimed = unclaimed_bytes(self._backend)
        if unclaimed is not None:
            return unclaimed
        comes = self._backend.status().state in ("stopped", "loading", "restarting")
        return self._expected_bytes() if comes else 0


class Guest(Protocol):
    """A model that comes and goes."""

    @property
    def name(self) -> str: ...

    @property
    def idle_since(self) -> float | None:
        """When it was last asked; None while it is asked, or loaded."""
        ...

    def unclaimed_bytes(self) -> int | None:
        """As the function of that name says."""
        ...

    async def unload(self) -> None:
        """Free it, and tell `Residency.leave`. Only asked of one that is idle."""


class Residency:
    """Room for guests beside the residents: at most `most` at a time (None: as many as fit), and
    in no more memory than `available` gives, in bytes (None: the system does not say).

    A guest that comes has its memory from the moment in which it is admitted.
    """

    def __init__(self, available: Callable[[], int | None], most: int | None = None) -> None:
        self._available = available
        self._most = most
        self._residents: list[Resident] = []
        self._guests: dict[Guest, int] = {}
        self._door = asyncio.Lock()

    def settle(self, resident: Resident) -> None:
        """Reckon with one that stays."""
        self._residents.append(resident)

    async def admit(self, guest: Guest, needed_bytes: int) -> None:
        """Promise the memory to a model that is about to be loaded, after those have gone that
        must: of the idle ones the least recently used. Errors: ServerError busy,
        insufficient_memory.
        """
        # One after the other: the room that is made for one is not for the next who comes.
        async with self._door:
            while (victim := self._in_the_way(guest.name, needed_bytes)) is not None:
                log.info("model %s makes room for %s", victim.name, guest.name)
                await victim.unload()
            self._guests[guest] = needed_bytes

    def leave(self, guest: Guest) -> None:
        """Its memory is free again. Harmless for one that is not here."""
        self._guests.pop(guest, None)

    def room_bytes(self) -> int | None:
        """What another model may take while all stay."""
        available = self._available()
        if available is None:
            return None
        hidden = sum(resident.hidden_bytes() for resident in self._residents)
        hidden += sum(_hidden(guest, needed) for guest, needed in self._guests.items())
        return max(available - hidden, 0)

    def _in_the_way(self, name: str, needed: int) -> Guest | None:
        """Who has to go before a model can come that needs so many bytes, if anybody has to."""
        idle = [guest for guest in self._guests if guest.idle_since is not None]
        idle.sort(key=lambda guest: guest.idle_since or 0.0)
        if self._most is not None and len(self._guests) >= self._most:
            if not idle:
                raise self._crowded(name)
            return idle[0]
        room = self.room_bytes()
        if room is None or needed <= room:
            return None
        most = room + sum(self._guests[guest] for guest in idle)
        if needed > most:
            raise self._too_large(needed, most)
        return idle[0]

    def _crowded(self, name: str) -> ServerError:
        others = ", ".join(guest.name for guest in self._guests)
        return ServerError(
            "busy",
            f"The model {name} cannot be loaded now: {others} is being asked, and no more than"
            f" {self._most} may be loaded at the same time; try again soon, or have the operator"
            " raise MAX_LOADED_MODELS.",
            retry_after=RETRY_S,
        )

    def _too_large(self, needed: int, available: int) -> ServerError:
        busy = [guest for guest in self._guests if guest.idle_since is None]
        later = needed <= available + sum(self._guests[guest] for guest in busy)
        way_out = (
            f"try again when {', '.join(guest.name for guest in busy)} is not being asked"
            if later
            else "take a smaller model or quantisation, or give it a shorter context"
            " (max_context_tokens) or fewer places (n_parallel)"
        )
        return ServerError(
            "insufficient_memory",
            f"model requires more system memory ({needed / GIB:.1f} GiB) than is available"
            f" ({available / GIB:.1f} GiB); {way_out}",
            retry_after=RETRY_S if later else None,
        )


def unclaimed_bytes(backend: Backend) -> int | None:
    """What of a model's memory the system may still call available; None until it is loaded."""
    status, card = backend.status(), backend.card()
    if status.state != "ready" or card is None:
        return None
    prompts = status.prefixes.memory_bytes if status.prefixes else 0
    return max(card.unclaimed_bytes - prompts, 0)


def _hidden(guest: Guest, needed: int) -> int:
    unclaimed = guest.unclaimed_bytes()
    return needed if unclaimed is None else min(unclaimed, needed)
