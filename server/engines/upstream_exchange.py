"""Posts requests to one other server and hands out what comes back, byte by byte, until it ends, is
left, takes too long or everything is closed.

Knows HTTP, not what is said over it. Neither keys nor what is sent is ever logged.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import httpx2

from server import __version__
from server.engines.endings import closing
from server.engines.upstream_options import UpstreamOptions
from server.engines.upstream_refusals import MOST_BYTES, refusal, silent, unanswered

# Shorter than other servers keep connections: none is used that is being closed at that moment.
KEEP_S = 3.0
KEPT = 20

# Bytes as they come, then what ended them: a failure, or None where that was all.
_Item: TypeAlias = bytes | BaseException | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What is posted, as JSON. `headers` may hold a key."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class Exchanges:
    """The open requests to one server. `open` before the first, `close` after the last."""

    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options
        self._client: httpx2.AsyncClient | None = None
        self._inboxes: set[asyncio.Queue[_Item]] = set()

    @property
    def is_open(self) -> bool:
        return self._client is not None

    @property
    def running(self) -> int:
        return len(self._inboxes)

    def open(self) -> None:
        if self._client is not None:
            return
        options = self._options
        self._client = httpx2.AsyncClient(
            headers=_headers(options.api_key),
            timeout=httpx2.Timeout(options.timeout_s, connect=options.connect_timeout_s, pool=None),
            limits=httpx2.Limits(max_keepalive_connections=KEPT, keepalive_expiry=KEEP_S),
            # What was meant for one server is not for another.
            follow_redirects=False,
        )

    async def close(self) -> None:
        """End every exchange with an error, then the connections. Safe to call twice."""
        for inbox in self._inboxes:
            inbox.put_nowait(closing())
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def post(self, outgoing: Outgoing) -> AsyncGenerator[bytes, None]:
        """The bytes of the reply; leaving closes its connection. Errors: ServerError of the kinds
        invalid, context_too_long, busy, upstream_failed, timeout.
        """
        if self._client is None:
            raise closing()
        inbox: asyncio.Queue[_Item] = asyncio.Queue()
        self._inboxes.add(inbox)
        fetching = asyncio.create_task(self._fetch(self._client, outgoing, inbox))
        fetching.add_done_callback(partial(_ended, inbox))
        deadline = self._deadline(inbox)
        try:
            while (item := await inbox.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self._inboxes.discard(inbox)
            if deadline is not None:
                deadline.cancel()
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)

    def _deadline(self, inbox: asyncio.Queue[_Item]) -> asyncio.TimerHandle | None:
        """An error comes when the whole answer has taken too long."""
        timeout_s = self._options.limits.timeout_s
        if timeout_s is None:
            return None
        error = silent(self._options.name, timeout_s, "did not finish its answer")
        return asyncio.get_running_loop().call_later(timeout_s, inbox.put_nowait, error)

    async def _fetch(
        self, client: httpx2.AsyncClient, outgoing: Outgoing, inbox: asyncio.Queue[_Item]
    ) -> None:
        name, options = self._options.name, self._options
        try:
            async with client.stream(
                "POST", outgoing.url, content=outgoing.body, headers=dict(outgoing.headers)
            ) as response:
                if not response.is_success:
                    words = await _beginning(response)
                    raise refusal(name, response.status_code, response.headers, words)
                async for chunk in response.aiter_bytes():
                    inbox.put_nowait(chunk)
        except httpx2.ConnectTimeout:
            raise silent(name, options.connect_timeout_s, "could not be reached") from None
        except httpx2.TimeoutException:
            raise silent(name, options.timeout_s, "did not say anything") from None
        except httpx2.ConnectError:
            raise unanswered(name, "cannot be reached; try again soon") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
            raise unanswered(name, "broke the connection before its answer was finished") from None


def _headers(api_key: str) -> dict[str, str]:
    headers = {
        "Accept": "text/event-stream, application/json",
        # What is compressed comes in larger pieces, later.
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": f"gpt-api/{__version__}",
    }
    return headers | ({"Authorization": f"Bearer {api_key}"} if api_key else {})


async def _beginning(response: httpx2.Response) -> bytes:
    """The first bytes of a refusal, as many as can be had."""
    read = bytearray()
    with suppress(httpx2.HTTPError):
        async for chunk in response.aiter_bytes():
            read += chunk
            if len(read) > MOST_BYTES:
                break
    return bytes(read)


def _ended(inbox: asyncio.Queue[_Item], fetching: asyncio.Task[None]) -> None:
    if not fetching.cancelled():
        inbox.put_nowait(fetching.exception())
