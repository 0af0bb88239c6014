"""Clients that ask without a pause, and none of them twice for the same thing."""

import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import httpx

LIMIT_S = 120
SHORT = {"messages": [{"role": "user", "content": "Hello!"}], "temperature": 0, "max_tokens": 24}


@dataclass
class Load:
    """20 clients, streamed and whole, half of them on connections that they keep. What they did not
    get is in `failures`.
    """

    url: str
    key: str = "none"
    verify: ssl.SSLContext | bool = True
    clients: int = 20
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._left = 0
        self._enough = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(self.clients)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, count: int) -> None:
        """Wait until so many more were answered, or failed."""
        with self._lock:
            self._left = count
            self._enough.clear()
        assert self._enough.wait(LIMIT_S), self.failures

    def stop(self, after: int = 1) -> None:
        """Wait for so many more, then let every client finish what it has begun."""
        self.wait(after)
        self._over.set()
        for thread in self._threads:
            thread.join(LIMIT_S)
            assert not thread.is_alive()

    def _run(self, number: int) -> None:
        body = {**SHORT, "stream": number % 2 == 0}
        headers = {"Authorization": f"Bearer {self.key}"}
        url = f"{self.url}/v1/chat/completions"
        with httpx.Client(verify=self.verify) as kept:
            once = partial(httpx.post, verify=self.verify)
            post = kept.post if number % 4 < 2 else once
            while not self._over.is_set():
                self._note(partial(post, url, json=body, headers=headers, timeout=LIMIT_S))

    def _note(self, ask: Callable[[], httpx.Response]) -> None:
        fault = ""
        try:
            reply = ask()
        except httpx.HTTPError as error:
            fault = f"{type(error).__name__}: {error}"
        else:
            whole = "[DONE]" in reply.text or '"finish_reason"' in reply.text
            if reply.status_code != 200 or not whole:
                fault = f"{reply.status_code}: {reply.text}"
        with self._lock:
            self.failures += [fault] if fault else []
            self._left -= 1
            if self._left <= 0:
                self._enough.set()
