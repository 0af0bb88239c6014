"""`gpt-api bench` as people run it: on the bundled model, on a server that runs, and refused."""

import json
from pathlib import Path

import pytest

from server.benchmark import run as bench
from server.benchmark.run import Wanted
from server.running import Unit
from server.surveying import SurveyFailed
from server.verdicts import Failure
from server.worker.survey import Survey, SurveyedModel
from tests.check_client.scripted import HEALTH, Says, Scripted, running
from tests.clients.conftest import KEY, server
from tests.clients.server_process import ServerProcess
from tests.doctor.test_doctor import free_port
from tests.test_cli import environment, run

__all__ = ["environment", "server"]
QUICK = ("bench", "--seconds", "0.1", "--n-threads", "1", "--n-parallel", "2")


def test_it_loads_the_model_measures_and_concludes(environment: dict[str, str], tmp_path: Path):
    done = run(*QUICK, "--json", "--port", free_port(), env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["what"] == "gpt-oss-tiny.gguf, loaded for this"
    for name in ("prompt_per_s", "alone_per_s", "together_per_s", "first_s"):
        assert len(found["rounds"][name]) >= 1, name
        assert min(found["rounds"][name]) > 0, name
    assert found["facts"]["streams"] == 2
    assert found["facts"]["threads"] == 1
    assert found["facts"]["bandwidth"] > 1e8
    assert 0 < found["facts"]["active_bytes"] < found["facts"]["weight_bytes"]
    assert found["resident_bytes"] > 10_000_000
    assert "one answer alone" in done.stderr
    # Nothing of it is kept for anybody.
    assert not [each for each in (tmp_path / ".cache").rglob("*") if each.is_file()]


def test_it_asks_a_server_that_runs_instead_of_loading_a_second_model(
    server: ServerProcess, environment: dict[str, str], tmp_path: Path
):
    port = server.url.rpartition(":")[2]
    done = run(*QUICK, "--port", port, "--key", KEY, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"measuring the server at {server.url}" in done.stderr
    assert "loading" not in done.stderr
    assert f"the server at {server.url}" in done.stdout
    assert "tokens/s together" in done.stdout
    assert "What limits it:" in done.stdout
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("key", "words"),
    [("", "the server wants a key"), ("sk-wrong", "the key is not accepted")],
)
def test_a_server_that_does_not_let_it_in(
    server: ServerProcess, environment: dict[str, str], tmp_path: Path, key: str, words: str
):
    asked = ("--base-url", f"{server.url}/v1", "--key", key)
    done = run(*QUICK, *asked, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr.splitlines()[-1]


def test_a_server_that_is_loading_is_left_alone(environment: dict[str, str], tmp_path: Path):
    loading = Says(status=503, body=HEALTH | {"status": "loading"})
    with running(Scripted({"GET /health": loading})) as other:
        done = run(*QUICK, "--port", str(other.port), env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "a second model would harm it" in done.stderr


def test_something_that_tells_no_times_is_refused(environment: dict[str, str], tmp_path: Path):
    with running(Scripted({}, wants_key=False)) as other:
        other.says["POST /v1/completions stream"] = Says(
            body='data: {"choices": [{"text": "a"}]}\n\n', kind="text/event-stream"
        )
        done = run(*QUICK, "--base-url", other.url, env=environment, cwd=tmp_path)
    assert done.returncode == 1
    assert "measure a gpt-api" in done.stderr


async def test_a_service_on_another_port_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    unit = Unit(state="active", status="ready", restarts=0)
    monkeypatch.setattr(bench.running, "unit", lambda: unit)
    wanted = Wanted(flags={"port": free_port()}, seconds=0.1)
    with pytest.raises(Failure, match="a second copy of the model would harm it"):
        await bench.run(wanted, lambda _: None)


async def test_a_model_that_does_not_fit_is_not_loaded(monkeypatch: pytest.MonkeyPatch):
    model = SurveyedModel(weight_bytes=1 << 50, layers=24)
    large = Survey(version="1", features=(), gpu_build=False, available_bytes=1 << 33, model=model)
    monkeypatch.setattr(bench.surveying, "look", lambda _: large)
    with pytest.raises(Failure, match="GB needed, and the machine has"):
        await bench.run(Wanted(flags={"port": free_port()}, seconds=0.1), lambda _: None)


async def test_an_engine_that_does_not_run_is_told(monkeypatch: pytest.MonkeyPatch):
    def broken(_: object) -> Survey:
        raise SurveyFailed("libgomp.so.1: no")

    monkeypatch.setattr(bench.surveying, "look", broken)
    with pytest.raises(Failure, match="libgomp"):
        await bench.run(Wanted(flags={"port": free_port()}, seconds=0.1), lambda _: None)


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (
            ("--model", "gpt-oss-20b", "--models-dir", "here"),
            1,
            "gpt-api pull gpt-oss-20b fetches it",
        ),
        (("--max-queue", "many"), 78, "MAX_QUEUE"),
        (("--model-registry-path", "list.json", "--default-model", "far"), 1, "another server"),
        (("--base-url", "http://x y"), 1, "has a space in it"),
        (("--base-url", "http://127.0.0.1:1/v1", "--key", "sk-é"), 1, "which no key has"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(
    flags: tuple[str, ...], code: int, words: str, environment: dict[str, str], tmp_path: Path
):
    far = [{"name": "far", "upstream": {"base_url": "http://127.0.0.1:1/v1"}}]
    (tmp_path / "list.json").write_text(json.dumps(far))
    done = run("bench", "--port", free_port(), *flags, env=environment, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr.splitlines()[-1]
