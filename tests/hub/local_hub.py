"""A hub of one's own: two real HTTP servers that speak as the hub and its store of large files do.

The hub lists repositories and redirects to the store, which has another port and thus is another
origin. Faults are planned: each is had by one request, in order.
"""

import hashlib
import json
import random
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

Place: TypeAlias = Literal["listing", "file", "store"]
REVISION = "0123456789abcdef0123456789abcdef01234567"
BLOCK = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Refuse:
    """Answer with this status instead."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Cut:
    """Close the connection after so many bytes of the body."""

    after: int


@dataclass(frozen=True)
class Hold:
    """Stop after so many bytes of the body, say so, and go on when told."""

    after: int
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Send:
    """Send this instead of the file."""

    data: bytes


class WholeOnly:
    """Send the whole file, whatever piece was asked for."""


Fault: TypeAlias = Refuse | Cut | Hold | Send | WholeOnly


@dataclass
class Seen:
    """A request, and how much of a body it got."""

    place: Place
    path: str
    headers: Message
    sent: int = 0


def model(size: int, seed: int = 0) -> bytes:
    """Bytes that begin like a GGUF and are like nothing else."""
    return b"GGUF" + random.Random(seed).randbytes(size - 4)


class LocalHub:
    """`files` by repository and path. `endpoint` is what HF_ENDPOINT has to be."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.checksums: dict[bytes, str] = {}
        self.seen: list[Seen] = []
        self._faults: dict[Place, deque[Fault]] = {}
        self.endpoint = ""
        self.store = ""

    def add(self, repo: str, path: str, data: bytes, *, checksum: str | None = None) -> None:
        self.files.setdefault(repo, {})[path] = data
        self.checksums[data] = checksum or hashlib.sha256(data).hexdigest()

    def plan(self, place: Place, *faults: Fault) -> None:
        self._faults.setdefault(place, deque()).extend(faults)

    def next_fault(self, place: Place) -> Fault | None:
        faults = self._faults.get(place)
        return faults.popleft() if faults else None

    def sent(self) -> int:
        """Bytes of files that went out, all requests together."""
        return sum(seen.sent for seen in self.seen if seen.place == "store")

    def asked(self, place: Place) -> list[Seen]:
        return [seen for seen in self.seen if seen.place == place]

    def release(self) -> None:
        """Let every answer that is held go on, now or later."""
        for faults in self._faults.values():
            faults.clear()


@contextmanager
def running_hub(address: str = "127.0.0.1", port: int = 0) -> Iterator[LocalHub]:
    """A hub on a free port, or on `port`."""
    hub = LocalHub()
    with ExitStack() as stack:
        for name, handler, at in (("store", StoreHandler, 0), ("endpoint", HubHandler, port)):
            server = stack.enter_context(_Server((address, at), handler))
            server.hub = hub
            setattr(hub, name, f"http://{address}:{server.server_port}")
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield hub
        hub.release()


class _Server(ThreadingHTTPServer):
    # An answer that is held must not keep the test from ending.
    daemon_threads = True
    block_on_close = False
    hub: LocalHub


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def begin(self, place: Place) -> tuple[Seen, Fault | None]:
        seen = Seen(place=place, path=self.path, headers=self.headers)
        self.server.hub.seen.append(seen)
        return seen, self.server.hub.next_fault(place)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, fault: Refuse) -> None:
        self.answer(fault.status, fault.body, **fault.headers)


class HubHandler(_Handler):
    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/main", path):
            self._list(match[1])
        elif match := re.fullmatch(rf"/([^/]+/[^/]+)/resolve/{REVISION}/(.+)", path):
            self._redirect(match[1], match[2])
        else:
            self.answer(404)

    def _list(self, repo: str) -> None:
        _, fault = self.begin("listing")
        files = self.server.hub.files.get(repo)
        if isinstance(fault, Refuse):
            self.refuse(fault)
        elif files is None:
            # What the hub says to strangers: it does not tell what is missing from what is private.
            self.answer(401, X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
        else:
            siblings = [self._sibling(path, data) for path, data in files.items()]
            listing = {"id": repo, "sha": REVISION, "gated": False, "siblings": siblings}
            self.answer(200, json.dumps(listing).encode(), Content_Type="application/json")

    def _sibling(self, path: str, data: bytes) -> dict[str, object]:
        sibling: dict[str, object] = {"rfilename": path, "size": len(data), "blobId": "0" * 40}
        if path.endswith(".gguf"):
            checksum = self.server.hub.checksums[data]
            sibling["lfs"] = {"sha256": checksum, "size": len(data), "pointerSize": 134}
        return sibling

    def _redirect(self, repo: str, path: str) -> None:
        _, fault = self.begin("file")
        data = self.server.hub.files.get(repo, {}).get(path)
        if isinstance(fault, Refuse):
            self.refuse(fault)
        elif data is None:
            self.answer(404, X_Error_Code="EntryNotFound")
        else:
            self.answer(
                302,
                Location=f"{self.server.hub.store}/{repo}/{path}?signature=secret",
                X_Repo_Commit=REVISION,
                X_Linked_Size=str(len(data)),
                X_Linked_ETag=f'"{self.server.hub.checksums[data]}"',
            )


class StoreHandler(_Handler):
    def do_GET(self) -> None:
        seen, fault = self.begin("store")
        owner, repo, path = unquote(urlsplit(self.path).path).strip("/").split("/", 2)
        if isinstance(fault, Refuse):
            return self.refuse(fault)
        data = self.server.hub.files[f"{owner}/{repo}"][path]
        if isinstance(fault, Send):
            data = fault.data
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        offset = int(asked[1]) if asked and not isinstance(fault, WholeOnly) else 0
        if offset >= len(data):
            return self.answer(416, Content_Range=f"bytes */{len(data)}")
        self.send_response(206 if offset else 200)
        if offset:
            self.send_header("Content-Range", f"bytes {offset}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - offset))
        self.end_headers()
        self._send(memoryview(data)[offset:], seen, fault)
        return None

    def _send(self, data: memoryview, seen: Seen, fault: Fault | None) -> None:
        end = fault.after if isinstance(fault, Cut | Hold) else len(data)
        try:
            self._write(data[:end], seen)
            if isinstance(fault, Hold):
                fault.reached.set()
                fault.go.wait()
                self._write(data[end:], seen)
        except OSError:
            # Whoever asked is gone.
            self.close_connection = True
        if isinstance(fault, Cut):
            self.close_connection = True

    def _write(self, data: memoryview, seen: Seen) -> None:
        for begin in range(0, len(data), BLOCK):
            block = data[begin : begin + BLOCK]
            self.wfile.write(block)
            seen.sent += len(block)
