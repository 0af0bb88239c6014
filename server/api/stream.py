"""A reply as it is written, over a feed, which ends with it, however it ends."""

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from starlette.types import Receive, Scope, Send

from server.api.feed import Feed
from server.api.options import ApiOptions
from server.dialects.base import Call

# Between the end of the time and the end of the streams.
CUT_SECONDS = 10.0


class EventStream(EventSourceResponse):
    """Sends `frames` as they are, and the call's ping between them while there are more to come."""

    def __init__(
        self, frames: AsyncIterator[bytes], feed: Feed, call: Call, options: ApiOptions
    ) -> None:
        def ping() -> bytes:
            # What follows the last frame breaks clients that read to the end.
            return b"" if feed.over else call.ping or b""

        super().__init__(
            frames,
            headers={"Cache-Control": "no-cache"},
            media_type=call.media_type,
            ping=0 if call.ping is None else options.ping_seconds,
            # Bytes pass as they are, which the annotation does not say.
            ping_message_factory=ping,  # type: ignore[arg-type]
            sep="\n",
            # Whoever drains ends streams with an error; this is for servers that do not.
            shutdown_grace_period=options.drain_seconds + CUT_SECONDS,
        )
        self._feed = feed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Not left to the generator of frames: a client that leaves before the first frame is sent
        # would leave it unstarted, and nothing in it would ever run.
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._feed.close()
