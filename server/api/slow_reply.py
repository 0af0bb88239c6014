"""A whole reply that is begun before it is there, for those who cut what is silent for too long.

JSON may begin with spaces, so they are sent until it comes. Knows nothing of what is in it.
"""

import asyncio
import logging

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.api.disconnect import ClientGone, unless_gone
from server.api.feed import Feed
from server.core.errors import ServerError

log = logging.getLogger(__name__)


class SlowReply(Response):
    """Sends a space at once and every `ping_s` seconds, then `whole`, and ends the feed. The status
    is 200 by then: a failure breaks the connection off, so that nobody takes it for an answer.
    """

    media_type = "application/json"

    def __init__(self, whole: "asyncio.Task[bytes]", feed: Feed, ping_s: float) -> None:
        super().__init__()
        # Nobody knows it yet.
        del self.headers["content-length"]
        self._whole = whole
        self._feed = feed
        self._ping_s = ping_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        try:
            await unless_gone(receive, self._send(send))
        except ClientGone:
            log.info("the client left before its answer")
        except ServerError as error:
            log.warning("an answer failed that had begun; its connection is closed: %s", error)
        finally:
            self._whole.cancel()
            await self._feed.close()

    async def _send(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        while not self._whole.done():
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await asyncio.wait({self._whole}, timeout=self._ping_s)
        await send({"type": "http.response.body", "body": self._whole.result()})
