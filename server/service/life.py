"""What the parts of the application do on the occasions of the server's life: beats, reloads, end.

Knows the parts, not when the occasions come.
"""

import logging
from collections.abc import Callable
from math import inf
from typing import cast

from fastapi import FastAPI

from server.api.deps import Service
from server.service.key_reload import KeyReload
from server.service.notify import Systemd
from server.service.presence import Presence
from server.service.serving import Occasions
from server.settings.settings import Settings

log = logging.getLogger(__name__)

BEAT_SECONDS = 1.0
# Somebody waits at `systemctl restart`.
LOADING_BEAT_SECONDS = 0.1
# Of systemd's interval, so that one late beat is no death.
BEATS_PER_WATCHDOG = 4


class Life:
    """`failed`: it ended by itself, for want of a model, because somebody waits for it."""

    def __init__(
        self, settings: Settings, app: FastAPI, systemd: Systemd, announce: Callable[[], None]
    ) -> None:
        self._service = cast(Service, app.state.service)
        self._systemd = systemd
        self._announce = announce
        self._keys = KeyReload(settings, self._service.keys)
        self._presence = Presence(
            self._service.registry, systemd, settings.shutdown_timeout_seconds
        )
        self.failed = False

    def occasions(self) -> Occasions:
        return Occasions(
            started=self._announce,
            beat=self._beat,
            hangup=self._read_keys,
            drain=self._drain,
            refuse=self._service.drain.refuse,
            cut=self._service.close,
            pause_s=self._pause_s,
        )

    def _pause_s(self) -> float:
        watchdog_s = self._systemd.watchdog_s
        most_s = watchdog_s / BEATS_PER_WATCHDOG if watchdog_s else inf
        return min(most_s, BEAT_SECONDS if self._presence.settled else LOADING_BEAT_SECONDS)

    def _beat(self) -> bool:
        self._keys.check()
        self._presence.beat()
        if self._systemd.present and not self.failed and (why := self._presence.failure):
            self.failed = True
            log.critical("the service ends: %s", why)
        return not self.failed

    def _read_keys(self) -> None:
        self._presence.reloading()
        self._keys.reload()
        self._presence.reloaded()

    def _drain(self) -> None:
        self._service.drain.begin()
        self._presence.stopping()
