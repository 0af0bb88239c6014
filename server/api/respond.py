"""Steps 5 and 13 of a request's way: ask the engine, and send what it says in the dialect's words.

The reply's status waits for admission, so that a refusal is a status and not a broken stream.
Knows no dialect and no engine by name.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager

from starlette.requests import Request
from starlette.responses import Response

from server.api.disconnect import ClientGone, unless_gone
from server.api.errors import CLIENT_GONE, INTERNAL_ERROR
from server.api.feed import Arrival, Feed
from server.api.options import ApiOptions
from server.api.slow_reply import SlowReply
from server.api.stream import EventStream
from server.core.errors import ServerError
from server.core.events import Event, collect
from server.core.ports import Engine
from server.dialects.base import Call, Reply

log = logging.getLogger(__name__)


async def respond(request: Request, engine: Engine, call: Call, options: ApiOptions) -> Response:
    """The whole reply, or one that has begun. The request's body must have been read.

    Errors: ServerError of any kind, before the first byte.
    """
    with _mending():
        feed = Feed([engine.generate(asked) for asked in call.requests])
        async with AsyncExitStack() as stack:
            stack.push_async_callback(feed.close)
            try:
                begun = await unless_gone(request.receive, _admit(feed, len(call.requests)))
                if not call.stream:
                    whole = asyncio.create_task(_whole(feed, begun, call))
                    stack.callback(whole.cancel)
                    ping_s = options.plain_ping_seconds
                    wait = asyncio.wait({whole}, timeout=ping_s or None)
                    await unless_gone(request.receive, wait)
                    if whole.done():
                        return Response(whole.result(), media_type="application/json")
                    stack.pop_all()
                    return SlowReply(whole, feed, ping_s)
            except ClientGone:
                log.info("the client left before its answer")
                return Response(status_code=CLIENT_GONE)
            stack.pop_all()
            return EventStream(_frames(feed, begun, call.reply), feed, call, options)


async def _admit(feed: Feed, choices: int) -> list[Arrival]:
    """The first events, until every choice has started. Errors: ServerError for a refusal."""
    begun: list[Arrival] = []
    while len({index for index, _ in begun}) < choices:
        begun += await feed.batch()
    return begun


async def _whole(feed: Feed, begun: Sequence[Arrival], call: Call) -> bytes:
    events: list[list[Event]] = [[] for _ in call.requests]
    batch = begun
    with _mending():
        while batch:
            for index, event in batch:
                events[index].append(event)
            batch = await feed.batch()
        return call.reply.body([await collect(_replay(of_one)) for of_one in events])


async def _replay(events: Sequence[Event]) -> AsyncIterator[Event]:
    for event in events:
        yield event


async def _frames(feed: Feed, begun: Sequence[Arrival], reply: Reply) -> AsyncIterator[bytes]:
    """A frame or several joined, as fast as they come; a failure is the last one."""
    try:
        with _mending():
            batch = begun
            while batch:
                if frames := b"".join([reply.frames(index, event) for index, event in batch]):
                    yield frames
                batch = await feed.batch()
            yield reply.end()
    except ServerError as error:
        yield reply.failure(error)


@contextmanager
def _mending() -> Iterator[None]:
    """Whatever nobody foresaw is logged, and the client is told that the server failed."""
    try:
        yield
    except ServerError:
        raise
    except Exception:
        log.exception("an answer failed")
        raise ServerError("engine_failed", INTERNAL_ERROR) from None
