"""Bodies that are too large, from clients that send all before they look at the answer."""

import asyncio
import json

import pytest

from tests.api.serving import CHAT, app_on, listening
from tests.fakes import ScriptedEngine

LIMIT = 1 << 16
BLOCK = b" " * (1 << 16)
BLOCKS = 256


def declared() -> tuple[bytes, bytes, bytes]:
    """A header of the body's length; what stands around each block, and at the end."""
    return f"Content-Length: {BLOCKS * len(BLOCK)}\r\n".encode(), BLOCK, b""


def chunked() -> tuple[bytes, bytes, bytes]:
    chunk = f"{len(BLOCK):x}\r\n".encode() + BLOCK + b"\r\n"
    return b"Transfer-Encoding: chunked\r\n", chunk, b"0\r\n\r\n"


@pytest.mark.parametrize("form", [declared, chunked])
async def test_who_sends_all_before_it_looks_gets_the_answer(form):
    header, piece, end = form()
    engine = ScriptedEngine()
    async with listening(app_on(engine, max_body_bytes=LIMIT)) as url:
        host, _, port = url.partition("//")[2].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        # The server may end such a connection as soon as it has answered.
        head = f"POST {CHAT} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        writer.write(head.encode() + header + b"\r\n")
        for _ in range(BLOCKS):
            writer.write(piece)
            await writer.drain()
        writer.write(end)
        await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert body["error"]["code"] == "request_too_large"
    assert engine.requests == []
