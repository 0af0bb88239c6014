"""Servers that others run, as older services asked them: gpt-oss.com's chatkit, a minimal chatbot
on Vercel and an Ollama, all at one address. They keep what they were asked.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What a client says to be answered otherwise.
SILENT, BROKEN = "Say nothing.", "Break down."


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request, its headers' names in lower case."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True, kw_only=True)
class OtherServers:
    """`asked` holds what they were asked, the last at its end."""

    url: str
    asked: list[Asked] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def answer(self, asked: Asked) -> bytes | None:
        """The bytes of a reply; None for a failure."""
        self.asked.append(asked)
        said = json.dumps(asked.body)
        if SILENT in said:
            self.over.wait()
        if BROKEN in said:
            return None
        return _REPLIES[asked.path]


def _events(*events: Any) -> bytes:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()


def _delta(text: str) -> dict[str, Any]:
    delta = {"type": "assistant_message.content_part.text_delta", "delta": text}
    return {"type": "thread.item_updated", "update": delta}


_REPLIES = {
    "/chatkit": _events(
        {"type": "thread.created", "thread": {"id": "thr_1"}},
        _delta("Chat"),
        _delta("kit"),
        {"type": "thread.item_done", "item": {"type": "assistant_message"}},
    ),
    "/api/chat": b'0:"Ver"\n0:"cel"\ne:{"finishReason":"stop"}\n',
    "/v1/chat/completions": _events(
        {"choices": [{"index": 0, "delta": {"content": "Ollama"}, "finish_reason": "stop"}]}
    ),
}


@contextmanager
def other_servers() -> Iterator[OtherServers]:
    """They listen for as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(self.rfile.read(length))
            reply = served.answer(Asked(path=self.path, headers=headers, body=body))
            self.send_response(500 if reply is None else 200)
            self.end_headers()
            self.wfile.write(reply or b"")

        def log_message(self, *_: Any) -> None:
            """Tests say what matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        served = OtherServers(url=f"http://127.0.0.1:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        try:
            yield served
        finally:
            served.over.set()
            listener.shutdown()
            thread.join()
