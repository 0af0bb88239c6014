"""A real HTTP server on loopback that answers every request with the same script of bytes."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from tests.fakes import Pause


class Cut:
    """The connection is broken here."""


Play: TypeAlias = bytes | Pause | Cut
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
OVER = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """A piece of a body whose length nobody knows before."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def frame(data: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + (data.encode() if isinstance(data, str) else encoded(data)) + b"\n\n"


def encoded(data: Any) -> bytes:
    return msgspec.json.encode(data)


def streamed(*frames: Any) -> bytes:
    """A whole reply of server-sent events."""
    return OK + b"".join(chunk(frame(each)) for each in frames) + OVER


def whole(status: str, body: bytes = b"", **headers: str) -> bytes:
    """A whole reply of this status, such as `400 Bad Request`."""
    told = {"Content-Length": str(len(body)), "Connection": "close", **headers}
    lines = [f"HTTP/1.1 {status}", *(f"{n.replace('_', '-')}: {v}" for n, v in told.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request; its headers' names in lower case."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return msgspec.json.decode(self.raw)


@dataclass(eq=False)
class ScriptedServer:
    """`left` is set when a client closes its connection before the script is over."""

    script: tuple[Play, ...]
    url: str = ""
    requests: list[Received] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                self.requests.append(await _received(reader))
                leaving = asyncio.create_task(self._see_leaving(reader))
                try:
                    await self._play(writer)
                finally:
                    leaving.cancel()
                    await asyncio.gather(leaving, return_exceptions=True)
        writer.transport.abort()

    async def _play(self, writer: asyncio.StreamWriter) -> None:
        for step in self.script:
            if isinstance(step, bytes):
                writer.write(step)
                await writer.drain()
            elif isinstance(step, Pause):
                step.reached.set()
                await step.go.wait()
            else:
                writer.close()
                raise ConnectionError

    async def _see_leaving(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            if await reader.read(1):
                return
        self.left.set()


async def _received(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:]) if n}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(path=head[0].split()[1], headers=headers, raw=raw)


@asynccontextmanager
async def serving(*script: Play) -> AsyncIterator[ScriptedServer]:
    """A server that plays this script to every request."""
    served = ScriptedServer(script)
    handlers: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        await served.answer(reader, writer)

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    served.url = f"http://127.0.0.1:{port}"
    try:
        yield served
    finally:
        listener.close()
        _cancel(handlers)
        await asyncio.gather(*handlers, return_exceptions=True)
        await listener.wait_closed()


def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
