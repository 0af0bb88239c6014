"""A server of one's own that answers as it is told: a good gpt-api where nothing else is said."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "sk-a-key-that-nobody-else-has"
CHATS = "/v1/chat/completions"
NAME = "gpt-oss-20b"
TEXT = "Здравствуйте! Чем помочь?"
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 6,
    "total_tokens": 26,
    "prompt_tokens_details": {"cached_tokens": 12},
}
HEALTH = {"status": "ok", "default_model": NAME, "models": {NAME: {"state": "ready"}}}


@dataclass(frozen=True, kw_only=True)
class Says:
    """One answer; `body` is JSON unless it is text."""

    status: int = 200
    body: Any = ""
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def error(status: int, code: str, message: str = "No.", **headers: str) -> Says:
    body = {"error": {"message": message, "type": "t", "param": None, "code": code}}
    return Says(status=status, body=body, headers=headers)


def chat(content: str | None, reason: str = "stop", **message: Any) -> Says:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
    return Says(body={"choices": [{**choice, "finish_reason": reason}], "usage": USAGE})


def stream(*pieces: str, done: bool = True) -> Says:
    chunks: list[Any] = [{"choices": [{"index": 0, "delta": {"content": each}}]} for each in pieces]
    chunks.append({"choices": [], "usage": USAGE})
    frames = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return Says(body="".join([*frames, "data: [DONE]\n\n" * done]), kind="text/event-stream")


# What is asked: method and path, and for chats whether it is a stream or a second turn.
GOOD: dict[str, Says] = {
    "GET /health": Says(body=HEALTH),
    "GET /": Says(body={"message": "gpt-api is running", "version": "9.9.9"}),
    "GET /v1/models": Says(body={"object": "list", "data": [{"id": NAME}]}),
    f"GET /v1/models/{NAME}": Says(body={"id": NAME}),
    f"POST {CHATS}": chat(TEXT),
    f"POST {CHATS} stream": stream("Здравствуйте!", " Чем помочь?"),
    f"POST {CHATS} again": chat("Меня зовут Бот."),
}
NOWHERE = error(404, "unknown_url")


class Scripted:
    """`says` goes before GOOD; `wants_key`: everything under /v1 wants KEY. What was asked is in
    `heard`.
    """

    def __init__(self, says: dict[str, Says], *, wants_key: bool = True) -> None:
        self.says = {**GOOD, **says}
        self.wants_key = wants_key
        self.heard: list[tuple[str, Any]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def answer(self, method: str, path: str, key: str, body: Any) -> Says:
        wanted = f"{method} {path}{_kind(body)}"
        self.heard.append((wanted, body))
        if self.wants_key and path.startswith("/v1") and key != f"Bearer {KEY}":
            return error(401, "invalid_api_key", "Invalid API key.")
        return self.says.get(wanted, NOWHERE)


def _kind(body: Any) -> str:
    if not body:
        return ""
    if body.get("stream"):
        return " stream"
    return " again" if len(body.get("messages", ())) > 2 else ""


def _handler(scripted: Scripted) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(json.loads(data))

        def _answer(self, body: Any) -> None:
            key = self.headers.get("Authorization", "")
            says = scripted.answer(self.command, self.path, key, body)
            self.send_response(says.status)
            for name, value in says.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", says.kind)
            self.send_header("Content-Length", str(len(says.data)))
            self.end_headers()
            self.wfile.write(says.data)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Handler


@contextmanager
def running(scripted: Scripted) -> Iterator[Scripted]:
    # How soon it sees that it is to end, in seconds.
    thread = threading.Thread(target=scripted.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield scripted
    finally:
        scripted.server.shutdown()
        scripted.server.server_close()
        thread.join(10)


@contextmanager
def behind_tls(scripted: Scripted, folder: Path) -> Iterator[Scripted]:
    """The same with a certificate that nobody knows."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-days", "2", "-nodes", "-newkey", "rsa:2048"]
    places = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", *subject, *places]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    wrapped = context.wrap_socket(
        scripted.server.socket, server_side=True, do_handshake_on_connect=False
    )
    scripted.server.socket = wrapped
    with running(scripted):
        yield scripted


@contextmanager
def listener(serve: Callable[[socket.socket], None] | None = None) -> Iterator[int]:
    """A port where `serve` gets the connections, or nobody takes them up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        if serve is not None:
            threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]
