"""The load generator's client against a server that sends fixed bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chat_client import Chat, ChatClient, ChatFailed

CHAT = Chat(({"role": "user", "content": "hello"},), 8)
OK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ROLE = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":null}\n\n'
TEXTS = [
    b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n',
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\n\n',
]
USAGE = (
    b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,'
    b'"prompt_tokens_details":{"cached_tokens":4}}}\n\ndata: [DONE]\n\n'
)


def chunked(events: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events) + b"0\r\n\r\n"


@asynccontextmanager
async def replying(reply: bytes) -> AsyncIterator[ChatClient]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield ChatClient(server.sockets[0].getsockname()[1], "m")


async def test_text_is_noted_when_it_comes_and_the_role_is_no_text() -> None:
    async with replying(OK + chunked([ROLE, *TEXTS, USAGE])) as client:
        answer = await client.ask(CHAT)
    assert answer.text == "hello"
    assert len(answer.arrivals) == 2
    assert (answer.prompt_tokens, answer.cached_tokens, answer.tokens) == (9, 4, 3)
    assert answer.started <= answer.arrivals[0] <= answer.arrivals[1] <= answer.ended


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 503 Busy\r\n\r\nlater",
        OK + chunked([*TEXTS, b'data: {"error":{"message":"broken"}}\n\n']),
        OK + chunked(TEXTS),
    ],
    ids=["refused", "broken off", "without usage"],
)
async def test_what_is_no_whole_answer_fails(reply: bytes) -> None:
    async with replying(reply) as client:
        with pytest.raises(ChatFailed):
            await client.ask(CHAT)


async def test_a_posted_body_gives_its_status() -> None:
    async with replying(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}") as client:
        assert await client.post({"messages": []}) == 400
