"""A server whose model is on a hub: what it says meanwhile, and what becomes of it."""

import json
import os
import re
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from server.core.errors import ServerError
from server.hub.client import Hub
from server.hub.download import Patience
from server.hub.folder import Folder
from server.hub.reference import Reference
from server.supply import supply
from tests.clients.server_process import READY, ServerProcess
from tests.hub.local_hub import Hold, LocalHub, Refuse, model, running_hub

TINY = (Path(__file__).parents[1] / "models" / "gpt-oss-tiny.gguf").read_bytes()
REPO = "owner/tiny-GGUF"
HALF = 1 << 20
PERCENT = 100 * HALF // len(TINY)
Serve = Callable[..., ServerProcess]


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with running_hub() as hub:
        hub.add(REPO, "tiny.gguf", TINY)
        yield hub


@pytest.fixture
def serve(hub: LocalHub, tmp_path: Path) -> Iterator[Serve]:
    """Starts servers whose model is on the hub."""
    servers = []

    def start(**settings: str) -> ServerProcess:
        given = {"MODEL_PATH": f"hf.co/{REPO}", "MODELS_DIR": str(tmp_path / "models")}
        reach = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
        own = {"HF_TOKEN": "hf_very_secret", "N_THREADS": "1"}
        server = ServerProcess(**{**own, **given, **reach, **settings})
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop(signal.SIGKILL)


def ask(url: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, _lower(reply.headers), json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _lower(error.headers), json.load(error)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def address(server: ServerProcess) -> str:
    """Where it listens. The log and the banner are two streams: either may come first."""
    banner = re.compile(r"(http://127\.0\.0\.1:\d+)/v1")
    found = (match for line in server.log if (match := banner.search(line)))
    return (next(found, None) or server.wait_for(banner))[1]


def chat(url: str) -> tuple[int, dict[str, str], Any]:
    body = {"messages": [{"role": "user", "content": "Hello!"}], "reasoning_effort": "none"}
    body |= {"max_tokens": 50, "temperature": 0}
    return ask(f"{url}/v1/chat/completions", body)


def state(url: str) -> tuple[int, str, dict[str, Any]]:
    status, _, health = ask(f"{url}/health")
    return status, health["status"], health["models"]["gpt-oss-20b"]


def test_it_serves_what_it_downloaded(serve: Serve, hub: LocalHub, tmp_path: Path):
    hold = Hold(HALF)
    hub.plan("store", hold)
    server = serve()
    server.wait_for(re.compile(rf"downloading {PERCENT} %"))
    url = address(server)
    status, word, engine = state(url)
    assert (status, word, engine["state"]) == (503, "loading", "loading")
    assert engine["detail"].startswith(f"downloading {PERCENT} % (1.0 MB of 1.8 MB")
    began = time.monotonic()
    status, headers, reply = chat(url)
    assert time.monotonic() - began < 5
    assert (status, reply["error"]["code"], headers["retry-after"]) == (503, "model_loading", "30")
    assert f"downloading {PERCENT} %" in reply["error"]["message"]
    hold.go.set()
    server.wait_for(READY)
    assert state(url)[:2] == (200, "ok")
    status, _, reply = chat(url)
    assert status == 200
    assert reply["choices"][0]["message"]
    assert (tmp_path / "models" / "tiny.gguf").read_bytes() == TINY
    assert server.stop() == 0
    text = "\n".join(server.log)
    assert "hf_very_secret" not in text
    assert "signature=secret" not in text


def test_it_needs_no_hub_when_the_model_is_here(serve: Serve, hub: LocalHub):
    serve().wait_for(READY)
    asked = len(hub.seen)
    serve(HF_HUB_OFFLINE="1").wait_for(READY)
    assert len(hub.seen) == asked


def test_stopping_is_immediate_and_the_next_start_goes_on(
    serve: Serve, hub: LocalHub, tmp_path: Path
):
    hub.plan("store", Hold(HALF))
    server = serve()
    server.wait_for(re.compile(rf"downloading {PERCENT} %"))
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 5
    (part,) = (tmp_path / "models").glob("*.part")
    assert part.read_bytes() == TINY[:HALF]
    serve().wait_for(READY)
    assert hub.asked("store")[-1].headers["Range"] == f"bytes={HALF}-"


def test_it_tries_again_when_the_hub_is_busy(serve: Serve, hub: LocalHub):
    hub.plan("listing", Refuse(status=503))
    server = serve()
    server.wait_for(re.compile(r"cannot send hf\.co/\S+ now \(status 503\).*; next try in 1 s"))
    server.wait_for(READY)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"hf.co/{REPO}:other.gguf", "has no model other.gguf; did you mean tiny.gguf?"),
        ("hf.co/owner/nothing", "hf.co/owner/nothing does not exist or is private"),
    ],
)
def test_it_lives_on_and_says_why_it_has_no_model(serve: Serve, name: str, words: str):
    server = serve(MODEL_PATH=name)
    server.wait_for(re.compile(r"ERROR .*model gpt-oss-20b: "))
    url = address(server)
    status, word, engine = state(url)
    assert (status, word, engine["state"]) == (503, "error", "failed")
    assert words in engine["detail"]
    status, _, reply = chat(url)
    assert status == 500
    assert words in reply["error"]["message"]
    assert ask(f"{url}/healthz")[0] == 200


async def test_patience_that_ends_is_the_engines_error(hub: LocalHub, tmp_path: Path):
    hub.plan("listing", *[Refuse(status=503)] * 3)
    said: list[str] = []
    obtain = supply(
        Hub(hub.endpoint, "hf_x"),
        Folder(tmp_path),
        Reference(repo=REPO),
        Patience(attempts=3, backoff_s=0.001),
    )
    with pytest.raises(ServerError, match=r"status 503\); try again later") as caught:
        await obtain(said.append)
    assert caught.value.kind == "engine_failed"
    assert said[0] == "looking for the model"
    assert said[1].startswith("looking for the model, 127.0.0.1")
    assert await obtain(said.append) == str(tmp_path / "tiny.gguf")


async def test_a_damaged_model_is_the_engines_error(hub: LocalHub, tmp_path: Path):
    hub.add(REPO, "tiny.gguf", model(1000), checksum="0" * 64)
    obtain = supply(Hub(hub.endpoint, "hf_x"), Folder(tmp_path), Reference(repo=REPO))
    with pytest.raises(ServerError, match="arrived damaged"):
        await obtain(lambda _: None)
    assert os.listdir(tmp_path) == []
