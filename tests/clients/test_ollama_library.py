"""Models that the real ollama package adds to a real server, takes from it and renames, with a hub
on this machine.
"""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import ollama
import pytest

from tests.clients.conftest import KEY, KEYS
from tests.clients.server_process import ROOT, ServerProcess
from tests.hub.local_hub import Fault, Hold, LocalHub, Place, Refuse, Send, running_hub

BUNDLED = ROOT / "models" / "gpt-oss-tiny.gguf"
REPO = "ggml-org/gemma-3-4b-it-GGUF"
FILE = "gemma-3-4b-it-Q4_K_M.gguf"
NAME = "gemma3"
GREEDY = {"temperature": 0, "num_predict": 16}
HELLO = [{"role": "user", "content": "Hello"}]
TIME_LIMIT_S = 60
# What a download is told by.
CHUNK = 1 << 20
TOKEN = "hf_a_very_secret_token"


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with running_hub() as made:
        made.add(REPO, FILE, BUNDLED.read_bytes())
        yield made


@contextmanager
def serving(hub: LocalHub, folder: Path, **settings: str) -> Iterator[ServerProcess]:
    process = ServerProcess(
        HF_ENDPOINT=hub.endpoint, MODELS_DIR=str(folder), MODEL_PATH="", N_THREADS="1", **settings
    )
    try:
        process.wait_until_ready()
        yield process
    finally:
        assert process.stop() == 0


@pytest.fixture
def server(hub: LocalHub, tmp_path: Path) -> Iterator[ServerProcess]:
    with serving(hub, tmp_path) as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[ollama.Client]:
    with ollama.Client(host=server.url) as made:
        yield made


def names(client: ollama.Client) -> list[str]:
    return [str(model.model) for model in client.list().models]


def test_a_model_comes_answers_and_goes(client: ollama.Client, tmp_path: Path) -> None:
    frames = list(client.pull(NAME, stream=True))
    assert (frames[0].status, frames[-1].status) == ("pulling manifest", "success")
    counted = [frame for frame in frames if frame.digest]
    assert counted[-1].completed == counted[-1].total == BUNDLED.stat().st_size
    assert all(frame.status == f"pulling {str(frame.digest)[7:19]}" for frame in counted)
    assert "gemma3:latest" in names(client)
    assert client.show(NAME).details is not None
    answer = client.chat(NAME, HELLO, options=GREEDY)
    assert answer.model == NAME
    assert answer.message.content
    assert [str(model.model) for model in client.ps().models if model.model == "gemma3:latest"]
    client.copy(NAME, "mine")
    assert client.chat("mine", HELLO, options=GREEDY).message.content == answer.message.content
    client.create(model="yours", from_=NAME)
    client.delete("mine")
    client.delete(NAME)
    assert {"gemma3:latest", "mine:latest", "yours:latest"}.isdisjoint(names(client))
    assert not list(tmp_path.glob("*.gguf"))
    with pytest.raises(ollama.ResponseError, match="model 'gemma3' not found") as gone:
        client.delete(NAME)
    assert gone.value.status_code == 404


def test_what_was_pulled_is_there_after_a_restart(hub: LocalHub, tmp_path: Path) -> None:
    with serving(hub, tmp_path) as first, ollama.Client(host=first.url) as client:
        client.pull(NAME)
        client.copy(NAME, "mine")
    with serving(hub, tmp_path) as second, ollama.Client(host=second.url) as client:
        assert {"gemma3:latest", "mine:latest"} <= set(names(client))
        assert client.chat("mine", HELLO, options=GREEDY).message.content
        client.delete(NAME)
    assert len(hub.asked("store")) == 1


def test_who_leaves_ends_the_download_and_the_next_goes_on(
    hub: LocalHub, server: ServerProcess, client: ollama.Client
) -> None:
    held = Hold(after=CHUNK + (1 << 16))
    hub.plan("store", held)
    with httpx.stream(
        "POST", f"{server.url}/api/pull", json={"model": NAME}, timeout=TIME_LIMIT_S
    ) as response:
        lines = response.iter_lines()
        while json.loads(next(lines)).get("completed", 0) == 0:
            pass
        assert held.reached.wait(TIME_LIMIT_S)
    held.go.set()
    assert list(client.pull(NAME, stream=True))[-1].status == "success"
    resumed = hub.asked("store")[-1].headers.get("Range")
    assert resumed is not None
    assert int(re.findall(r"\d+", resumed)[0]) > 0


def test_several_pull_one_model_with_one_download(hub: LocalHub, server: ServerProcess) -> None:
    held = Hold(after=1 << 16)
    hub.plan("store", held)
    body = {"model": NAME}
    with (
        httpx.stream("POST", f"{server.url}/api/pull", json=body, timeout=TIME_LIMIT_S) as one,
        httpx.stream("POST", f"{server.url}/api/pull", json=body, timeout=TIME_LIMIT_S) as two,
    ):
        first, second = one.iter_lines(), two.iter_lines()
        # Each is there when it has heard that the other's download runs.
        for lines in (first, second):
            while "digest" not in json.loads(next(lines)):
                pass
        held.go.set()
        for lines in (first, second):
            assert json.loads(list(lines)[-1]) == {"status": "success"}
    assert len(hub.asked("store")) == 1


@pytest.mark.parametrize(
    ("place", "fault", "status", "told"),
    [
        ("listing", Refuse(status=401), 404, "set HF_TOKEN to a token that may read it"),
        ("store", Send(b"GGUF" + bytes(BUNDLED.stat().st_size - 4)), 502, "arrived damaged"),
    ],
)
def test_a_failure_is_told_in_both_forms(
    hub: LocalHub, client: ollama.Client, place: Place, fault: Fault, status: int, told: str
) -> None:
    for stream in (False, True):
        hub.plan(place, fault)
        with pytest.raises(ollama.ResponseError, match=told) as caught:
            list(client.pull(NAME, stream=True)) if stream else client.pull(NAME)
        assert caught.value.status_code == (-1 if stream else status)
    assert "gemma3:latest" not in names(client)
    assert client.pull(NAME).status == "success"


def test_what_no_hub_has_is_a_404(client: ollama.Client) -> None:
    for name, told in (
        ("llama9", "pull model manifest: file does not exist: this server knows no place"),
        (f"hf.co/{REPO}:Q8_0", "pull model manifest: file does not exist: "),
        ("hf.co/nobody/nothing", "does not exist or is private"),
    ):
        with pytest.raises(ollama.ResponseError, match=told) as missing:
            client.pull(name)
        assert missing.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match='name "a b" is invalid') as caught:
        client.pull("a b")
    assert caught.value.status_code == 400


def test_the_demonstration_model_is_not_taken_for_the_real_one(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="demonstration model"):
        client.pull("gpt-oss:20b")
    with pytest.raises(ollama.ResponseError, match="named by the settings of this server"):
        client.delete("gpt-oss-20b")


def test_what_would_change_a_model_is_refused_by_name(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="system is not supported: send a system"):
        client.create(model="pirate", from_="gpt-oss-20b", system="Arr.")
    with pytest.raises(ollama.ResponseError, match="publish the GGUF on a hub"):
        client.push("gpt-oss-20b")


def test_a_pages_script_may_not_manage_what_has_no_keys(server: ServerProcess) -> None:
    for origin, status in (
        ("https://evil.example", 403),
        ("null", 403),
        ("http://evil.example:8000", 403),
        ("http://localhost:5173", 404),
    ):
        answer = httpx.request(
            "DELETE",
            f"{server.url}/api/delete",
            json={"model": "nothing"},
            headers={"Origin": origin},
            timeout=TIME_LIMIT_S,
        )
        assert (origin, answer.status_code) == (origin, status)


def test_keys_decide_and_no_token_is_logged(hub: LocalHub, tmp_path: Path) -> None:
    keys = json.loads(KEYS) | {"sk-chat-only": {"user": "bot", "permissions": ["chat"]}}
    with serving(hub, tmp_path, API_KEYS=json.dumps(keys), HF_TOKEN=TOKEN) as process:
        for key, status in (("", 401), ("sk-chat-only", 403), (KEY, 200)):
            answer = httpx.post(
                f"{process.url}/api/pull",
                json={"name": NAME, "stream": False},
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=TIME_LIMIT_S,
            )
            assert (answer.status_code, key) == (status, key)
    assert hub.asked("listing")[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert not any(TOKEN in line for line in process.log)


def test_a_server_that_ends_says_so_to_those_who_wait(hub: LocalHub, tmp_path: Path) -> None:
    held = Hold(after=1 << 16)
    hub.plan("store", held)
    with (
        serving(hub, tmp_path, SHUTDOWN_TIMEOUT_SECONDS="1") as process,
        httpx.stream(
            "POST", f"{process.url}/api/pull", json={"model": NAME}, timeout=TIME_LIMIT_S
        ) as response,
    ):
        lines = response.iter_lines()
        while "digest" not in json.loads(next(lines)):
            pass
        process.process.send_signal(signal.SIGTERM)
        assert "shutting down" in json.loads(list(lines)[-1])["error"]
    held.go.set()
