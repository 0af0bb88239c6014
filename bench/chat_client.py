"""Streams chats from an OpenAI-compatible server and notes when text came.

It shares the processors with the server it measures: bare sockets, one pass over the bytes, and
JSON only where an answer's words are wanted. Knows no scenario.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

# A chunk that carries text; a role chunk, an empty delta and the usage chunk do not.
TEXT = re.compile(rb'"(?:content|reasoning|reasoning_content)": ?"(?!")')
USAGE = re.compile(rb'"usage": ?\{')
FAILURE = re.compile(rb'^data: \{"error"')
LINE_LIMIT = 1 << 22


class ChatFailed(Exception):
    """The server refused the chat or broke it off; its own words."""


@dataclass
class Answer:
    """One streamed answer. Times are seconds of `time.perf_counter`, one an arrival of text."""

    started: float
    ended: float = 0.0
    arrivals: list[float] = field(default_factory=list)
    text: str = ""
    usage: dict[str, Any] = field(default_factory=dict)

    def hear(self, at: float) -> None:
        """Text came."""
        self.arrivals.append(at)

    @property
    def first_s(self) -> float:
        """Seconds until the first text."""
        return self.arrivals[0] - self.started

    @property
    def prompt_tokens(self) -> int:
        return int(self.usage["prompt_tokens"])

    @property
    def cached_tokens(self) -> int:
        return int((self.usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)

    @property
    def tokens(self) -> int:
        """Tokens written; of an answer that was cut off, the chunks that came."""
        return int(self.usage.get("completion_tokens", len(self.arrivals)))


@dataclass(frozen=True)
class Chat:
    """What to ask: a conversation in OpenAI's words and how long the answer may become."""

    messages: tuple[dict[str, str], ...]
    max_tokens: int

    def body(self, model: str) -> bytes:
        """Greedy: the same answer from every server."""
        return json.dumps(
            {
                "model": model,
                "messages": self.messages,
                "max_tokens": self.max_tokens,
                "temperature": 0,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        ).encode()


class ChatClient:
    """Asks the server on `port` of this machine."""

    def __init__(self, port: int, model: str, key: str = "none") -> None:
        self._port = port
        self._model = model
        self._key = key

    async def ask(self, chat: Chat, answer: Answer | None = None) -> Answer:
        """The whole answer; `answer`, when given, is filled while it arrives. Leaving early hangs
        up. Errors: ChatFailed.
        """
        body = chat.body(self._model)
        answer = answer or Answer(0.0)
        answer.started = time.perf_counter()
        async with self._sent(body) as reader:
            status = await _status(reader)
            if status != 200:
                raise ChatFailed(f"HTTP {status}: {(await reader.read(500)).decode()}")
            await _take(reader, answer)
        answer.ended = time.perf_counter()
        if not answer.arrivals or not answer.usage:
            raise ChatFailed("the stream ended without text or without usage")
        return answer

    async def post(self, fields: dict[str, Any]) -> int:
        """Send a body of one's own making, read the whole reply; its status."""
        body = json.dumps({"model": self._model, **fields}).encode()
        async with self._sent(body) as reader:
            status = await _status(reader)
            await reader.read()
        return status

    @asynccontextmanager
    async def _sent(self, body: bytes) -> AsyncIterator[asyncio.StreamReader]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LINE_LIMIT)
        try:
            writer.write(self._head(len(body)) + body)
            yield reader
        finally:
            writer.close()

    def _head(self, length: int) -> bytes:
        return (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n"
        ).encode()


async def _status(reader: asyncio.StreamReader) -> int:
    """The status of a reply, after reading its head."""
    line = await reader.readline()
    while (await reader.readline()).strip():
        pass
    return int(line.split()[1])


async def _take(reader: asyncio.StreamReader, answer: Answer) -> None:
    # Chunk sizes stand on lines of their own between the events, and are no `data:`.
    spoken = []
    async for line in reader:
        if not line.startswith(b"data: "):
            continue
        if TEXT.search(line):
            answer.hear(time.perf_counter())
            spoken.append(line)
        elif FAILURE.match(line):
            raise ChatFailed(line.decode().strip())
        if USAGE.search(line):
            answer.usage = json.loads(line[6:])["usage"]
    answer.text = "".join(_words(line) for line in spoken)


def _words(line: bytes) -> str:
    deltas = (choice["delta"] for choice in json.loads(line[6:])["choices"])
    return "".join(delta.get("content") or "" for delta in deltas)
