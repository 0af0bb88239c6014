"""The image, really built and really run: keys, both ports, signals, the volume, downloads."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.image import USER, Container, Image, build, missing, unreachable
from tests.hub.local_hub import Hold, LocalHub, running_hub

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=missing()),
    pytest.mark.timeout(3600),
]

TINY = Path(__file__).resolve().parents[2] / "models" / "gpt-oss-tiny.gguf"
READY = r"model \S+ is ready"
KEY = r"A key was made.*: (sk-\S+)"
CHAT = {"messages": [{"role": "user", "content": "Hello!"}], "temperature": 0, "max_tokens": 24}
HUB, HUB_PORT = "http://127.0.0.1", 7777
STREAMED = {**CHAT, "max_tokens": 60, "min_tokens": 40, "stream": True, "reasoning_effort": "none"}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    name = os.environ.get("GPT_API_DEPLOY_IMAGE", "")
    if not name:
        if reason := unreachable():
            pytest.skip(reason)
        name = "gpt-api-under-test"
        build(name)
    found = Image(name)
    yield found
    found.close()


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A folder for the image's user, with a model under the name that the image looks for."""
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copy(TINY, folder / "gpt-oss-20b-tiny.gguf")
    os.chown(folder, USER, USER)
    return folder


@pytest.fixture
def start(image: Image) -> Iterator[Callable[..., Container]]:
    started: list[Container] = []

    def start(volume: Path, *arguments: str, **more: object) -> Container:
        container = Container(image, volume, *arguments, **more)
        started.append(container)
        return container

    yield start
    for container in started:
        container.stop(9)


def ask(port: int, key: str = "", body: dict[str, object] = CHAT) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    return httpx.post(url, json=body, headers=headers, timeout=60)


def test_it_serves_on_both_ports_whoever_has_its_key(
    start: Callable[..., Container], volume: Path
) -> None:
    container = start(volume)
    key = container.wait_for(KEY)[1]
    container.wait_for(READY)
    with container.network():
        for port in (8000, 8080):
            assert ask(port).status_code == 401
            reply = ask(port, key)
            assert reply.status_code == 200, reply.text
            assert reply.json()["model"] == "gpt-oss-20b"
    # Nobody of importance, with no way to become it.
    status = Path(f"/proc/{container.pid}/status").read_text()
    assert re.search(rf"^Uid:\t{USER}\t{USER}\t", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
    health = container.run("container", "health")
    assert (health.returncode, json.loads(health.stdout)["status"]) == (0, "ok")
    assert (volume / ".gpt-api" / "keys.json").stat().st_mode & 0o777 == 0o600
    assert container.stop() == 0

    again = start(volume)
    again.wait_for(READY)
    assert not [line for line in again.log if "A key was made" in line]
    with again.network():
        assert ask(8000, key).status_code == 200


# Some platforms have an entrypoint of their own: then the server is process 1.
@pytest.mark.parametrize("entrypoint", [None, ("container",)])
def test_told_to_end_it_finishes_what_it_says(
    start: Callable[..., Container], volume: Path, entrypoint: tuple[str, ...] | None
) -> None:
    patience = {"SHUTDOWN_TIMEOUT_SECONDS": "60"}
    container = start(volume, ALLOW_ANONYMOUS="1", entrypoint=entrypoint, **patience)
    container.wait_for(READY)
    with container.network():
        url = "http://127.0.0.1:8080/v1/chat/completions"
        with httpx.stream("POST", url, json=STREAMED, timeout=60) as reply:
            lines = reply.iter_lines()
            next(lines)
            os.kill(container.pid, 15)
            assert list(filter(None, lines))[-1] == "data: [DONE]"
    assert container.stop() == 0


def test_told_to_end_before_it_listens_it_ends(
    start: Callable[..., Container], volume: Path
) -> None:
    container = start(volume)
    # Said by the script, before there is a server.
    container.wait_for(KEY)
    assert container.stop() in (0, 143)


def test_other_commands_are_run_as_they_are(start: Callable[..., Container], volume: Path) -> None:
    container = start(volume, "check-config", ALLOW_ANONYMOUS="1")
    container.wait_for(r"^MODEL_PATH +/app/models/gpt-oss-20b-tiny\.gguf +environment")
    container.wait_for(r"^EXTRA_PORTS +8080 +environment")
    assert container.wait() == 0


def test_what_is_left_of_processes_is_cleared_away(
    start: Callable[..., Container], volume: Path
) -> None:
    container = start(volume, ALLOW_ANONYMOUS="1")
    pattern = r"model \S+ is ready in worker (\d+)"
    worker = container.wait_for(pattern)[1]
    orphan = container.run("sh", "-c", f"kill -9 {worker}; (exec setsid -f true)")
    assert orphan.returncode == 0, orphan.stderr
    assert container.wait_for(pattern)[1] != worker
    states = container.run("sh", "-c", "cat /proc/[0-9]*/stat").stdout.splitlines()
    assert not [line for line in states if line.rpartition(")")[2].split()[0] == "Z"]


def test_an_empty_volume_is_filled_by_a_download(
    start: Callable[..., Container], tmp_path: Path
) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    os.chown(folder, USER, USER)
    # Where there will be a hub: in the container's own network.
    variables = {"MODEL_PATH": "hf.co/someone/tiny:tiny.gguf", "HF_ENDPOINT": f"{HUB}:{HUB_PORT}"}
    container = start(folder, GPT_API_KEY="sk-mine/0+=", **variables)
    container.wait_for("listens on")
    with container.network(), running_hub(port=HUB_PORT) as hub:
        _download(container, hub, folder)
    assert container.stop() == 0


def _download(container: Container, hub: LocalHub, folder: Path) -> None:
    hold = Hold(after=1 << 20)
    hub.add("someone/tiny", "tiny.gguf", TINY.read_bytes())
    hub.plan("store", hold)
    assert hold.reached.wait(60)
    reply = httpx.get("http://127.0.0.1:8000/health")
    assert reply.status_code == 503
    assert "download" in reply.text
    assert container.run("container", "health").returncode == 1
    hold.go.set()
    container.wait_for(READY)
    assert ask(8080, "sk-mine/0+=").status_code == 200
    assert (folder / "tiny.gguf").stat().st_uid == USER


def test_a_folder_of_somebody_else_is_told(start: Callable[..., Container], volume: Path) -> None:
    os.chown(volume, 0, 0)
    volume.chmod(0o755)
    container = start(volume, writable=True)
    container.wait_for(f"/app/models cannot be written by user {USER}")
    container.wait_for(f"sudo chown {USER} FOLDER")
    key = container.wait_for(KEY)[1]
    container.wait_for("/app/.gpt-api/keys.json")
    container.wait_for(READY)
    with container.network():
        assert ask(8000, key).status_code == 200
    assert container.stop() == 0
