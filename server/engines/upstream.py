"""The engine that another server stands behind: asked over HTTP, its answers read into events.

Knows the order of things; what is said the wire knows, how it gets there the exchange.
"""

import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import urlsplit

from server.core.errors import ServerError
from server.core.events import Event, Finished, PartStarted, Timings
from server.core.ports import EngineStatus, ModelCard
from server.core.request import GenerationRequest
from server.engines.generation import merged
from server.engines.pictures import refuse_pictures
from server.engines.upstream_chatkit import ChatkitWire
from server.engines.upstream_exchange import Exchanges
from server.engines.upstream_openai import OpenAiWire
from server.engines.upstream_options import UpstreamOptions, WireName
from server.engines.upstream_vercel import VercelWire
from server.engines.upstream_wire import Reader, Wire

log = logging.getLogger(__name__)

WIRES: Mapping[WireName, Callable[[UpstreamOptions], Wire]] = {
    "openai": OpenAiWire,
    "chatkit": ChatkitWire,
    "vercel": VercelWire,
}
DESCRIPTION = "answered by another server"


class UpstreamEngine:
    """`core.ports.Engine` over a model of another server. It is ready as soon as it was started:
    whether the other server is, the answers tell.
    """

    def __init__(self, options: UpstreamOptions) -> None:
        self._options = options
        self._wire: Wire = WIRES[options.wire](options)
        self._exchanges = Exchanges(options)

    async def start(self) -> None:
        self._exchanges.open()
        host = urlsplit(self._options.base_url).netloc.rpartition("@")[2]
        log.info("model %s: answered by %s", self._options.name, host)

    async def close(self) -> None:
        await self._exchanges.close()

    def status(self) -> EngineStatus:
        return EngineStatus(
            state="ready" if self._exchanges.is_open else "stopped",
            running=self._exchanges.running,
            detail=DESCRIPTION,
        )

    def card(self) -> ModelCard:
        """What is known of it: little."""
        return ModelCard(
            architecture="",
            description=DESCRIPTION,
            context_length=self._options.context_length or 0,
            training_context_length=self._options.context_length or 0,
            parameters=0,
            size_bytes=0,
            slots=0,
            vocabulary_size=0,
        )

    async def tokenize(self, request: GenerationRequest) -> tuple[int, ...]:
        refuse_pictures(request, sees=self._options.vision)
        raise self._no_tokens()

    async def detokenize(self, tokens: Sequence[int]) -> tuple[bytes, ...]:  # noqa: ARG002
        raise self._no_tokens()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        refuse_pictures(request, sees=self._options.vision)
        outgoing, reader = self._wire.outgoing(request), self._wire.reader(request)
        watch = _Watch()
        async with (
            aclosing(self._exchanges.post(outgoing)) as chunks,
            aclosing(_events(chunks, reader)) as events,
        ):
            async for event in events:
                yield watch.timed(event)

    def _no_tokens(self) -> ServerError:
        return ServerError(
            "not_implemented",
            f"The model {self._options.name!r} is of another server, and its tokens are not known"
            " here; count them with a model of this server.",
        )


async def _events(
    chunks: AsyncGenerator[bytes, None], reader: Reader
) -> AsyncGenerator[Event, None]:
    try:
        async for chunk in chunks:
            for event in merged(reader.feed(chunk)):
                yield event
            if reader.done:
                break
    except ServerError:
        # Only counts can be missing of an answer that was said to be over.
        if not reader.complete:
            raise
    for event in reader.finish():
        yield event


class _Watch:
    """Tells how long it took until the answer began, and from then on."""

    def __init__(self) -> None:
        self._asked = time.monotonic()
        self._begun: float | None = None

    def timed(self, event: Event) -> Event:
        now = time.monotonic()
        if isinstance(event, PartStarted) and self._begun is None:
            self._begun = now
        if not isinstance(event, Finished):
            return event
        begun = self._begun or now
        timings = Timings(prompt_s=begun - self._asked, generation_s=now - begun)
        return replace(event, timings=timings)
