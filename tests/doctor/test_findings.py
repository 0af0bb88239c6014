"""Engine, card, model, keys, port and service: what is good, what is not, and the way out."""

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from server.check_client.address import Address
from server.doctor import access, engine, model
from server.doctor.examination import local_listings, of_settings
from server.machine import Machine
from server.running import Listener, Unit, unit, unit_of
from server.settings.load import find
from server.settings.settings import Settings
from server.verdicts import Verdict
from server.worker.survey import Card, Survey

FEATURES = ("AVX2", "AVX512")


def machine(*features: str, driver: bool = False) -> Machine:
    return Machine(
        processor="CPU",
        features=frozenset(features),
        cores=4,
        memory_bytes=1,
        swap_bytes=0,
        nvidia_driver=driver,
    )


def survey(*cards: Card, features: tuple[str, ...] = FEATURES, gpu: bool = False) -> Survey:
    return Survey(version="0.3.36", features=features, gpu_build=gpu, cards=cards)


@pytest.fixture(autouse=True)
def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without NVIDIA's programs."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr(engine.shutil, "which", lambda _: None)


def test_an_old_processor_is_slow():
    assert engine.processor(machine("AVX2")).state == "ok"
    assert engine.processor(machine("DOTPROD")).state == "ok"
    assert "very slow" in engine.processor(machine()).way_out


def test_a_build_that_leaves_the_processor_unused():
    assert engine.build(survey(), machine("AVX2")).state == "ok"
    found = engine.build(survey(features=("AVX2",)), machine("AVX2", "AVX512", "AMX_INT8"))
    assert found.state == "note"
    assert "AVX512, AMX_INT8" in found.words
    assert "--engine source" in found.way_out


def test_an_engine_that_does_not_run():
    found = engine.broken("libgomp.so.1: cannot open")
    assert (found.state, "libgomp.so.1" in found.words) == ("failed", True)


CARD = Card(name="RTX 4090", free=20_000_000_000)


@pytest.mark.parametrize(
    ("settings", "found", "here", "state", "words"),
    [
        ({}, survey(), machine(), "ok", "on the CPU"),
        ({}, survey(CARD, gpu=True), machine(driver=True), "ok", "RTX 4090 (20.0 GB free)"),
        (
            {"n_gpu_layers": 0},
            survey(CARD, gpu=True),
            machine(),
            "note",
            "is not used, as configured",
        ),
        ({}, survey(), machine(driver=True), "note", "built without CUDA"),
        ({"require_gpu": True}, survey(), machine(driver=True), "failed", "without CUDA"),
        ({"require_gpu": True}, survey(), machine(), "failed", "finds no card"),
        ({}, survey(gpu=True), machine(), "note", "finds none"),
    ],
)
def test_the_card_that_is_there_and_the_one_that_is_wanted(
    settings: dict[str, object], found: Survey, here: Machine, state: str, words: str
):
    verdict = engine.cards(Settings(**settings), found, here)
    assert verdict.state == state
    assert words in verdict.words


def looked_at(settings: Settings, *, verify: bool = False) -> Verdict:
    listing = local_listings(settings)[0]
    return model.whole(settings, listing, model.file_of(settings, listing), verify=verify)


def named(path: Path) -> Settings:
    """Whatever is at `path`: what it is, is to be found out."""
    return Settings().model_copy(update={"model_path": path})


def test_a_whole_model_and_its_checksum(tmp_path: Path):
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF and the rest")
    assert looked_at(named(file)).state == "ok"
    digest = sha256(b"GGUF and the rest").hexdigest()
    assert digest in looked_at(named(file), verify=True).words


def test_a_file_that_is_no_model(tmp_path: Path):
    file = tmp_path / "m.gguf"
    file.write_text("<html>")
    found = looked_at(named(file))
    assert (found.state, "no GGUF" in found.words) == ("failed", True)
    found = looked_at(named(tmp_path / "m-00001-of-00002.gguf"))
    assert (found.state, "cannot be read" in found.words) == ("failed", True)


def test_a_known_model_of_the_wrong_size(tmp_path: Path):
    file = tmp_path / "gpt-oss-20b-mxfp4.gguf"
    file.write_bytes(b"GGUF")
    found = looked_at(named(file))
    assert found.state == "failed"
    assert "where 12109566560 bytes belong" in found.words
    assert found.way_out == "download it again: gpt-api pull gpt-oss-20b --force"


def test_a_known_model_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "gpt-oss-20b-mxfp4.gguf"
    file.write_bytes(b"GGUF")
    known = replace(model.CATALOGUE["gpt-oss-20b"], size=4, sha256="0" * 64)
    monkeypatch.setattr(model, "CATALOGUE", {"gpt-oss-20b": known})
    found = looked_at(named(file), verify=True)
    assert (found.state, "is damaged" in found.words) == ("failed", True)
    right = replace(known, sha256=sha256(b"GGUF").hexdigest())
    monkeypatch.setattr(model, "CATALOGUE", {"gpt-oss-20b": right})
    assert "its sha256 is right" in looked_at(named(file), verify=True).words


def test_a_model_that_is_not_here_yet(tmp_path: Path):
    settings = Settings(model_path="gpt-oss-20b", models_dir=str(tmp_path))
    found = looked_at(settings)
    assert found.state == "note"
    assert "gpt-api pull gpt-oss-20b" in found.way_out
    assert model.missing(settings, local_listings(settings)) == 12_109_566_560


def test_the_demonstration_model_is_called_that():
    assert "demonstration" in looked_at(Settings()).words


def test_the_models_of_a_list_are_looked_at_too(tmp_path: Path):
    file = tmp_path / "other.gguf"
    file.write_bytes(b"GGUF")
    models = tmp_path / "models.json"
    models.write_text(json.dumps([{"name": "other", "path": str(file)}]))
    listings = local_listings(Settings(model_registry_path=str(models)))
    assert [each.name for each in listings] == ["gpt-oss-20b", "other"]
    # The one that answers by default comes first.
    chosen = Settings(model_registry_path=str(models), default_model="other")
    assert [each.name for each in local_listings(chosen)] == ["other", "gpt-oss-20b"]


TABLE = '{"sk-one": {"user": "admin", "permissions": ["all"]}}'


def test_keys_that_everybody_can_read(tmp_path: Path):
    file = tmp_path / "keys.json"
    file.write_text(TABLE)
    file.chmod(0o644)
    found = list(access.keys(Settings(api_keys_file=str(file))))
    assert [each.state for each in found] == ["ok", "note"]
    assert f"chmod 640 {file}" in found[1].way_out
    file.chmod(0o640)
    assert len(list(access.keys(Settings(api_keys_file=str(file))))) == 1


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({}, "note"),
        ({"host": "0.0.0.0", "allow_anonymous": True}, "note"),
        ({"host": "0.0.0.0"}, "failed"),
    ],
)
def test_no_keys(more: dict[str, object], state: str):
    (found,) = access.keys(Settings(**more))
    assert found.state == state


HERE = Address(scheme="http", host="127.0.0.1", port=8000)


@pytest.mark.parametrize(
    ("host", "listener", "state", "words"),
    [
        ("127.0.0.1", None, "ok", "is free"),
        ("127.0.0.1", Listener(address=HERE, ours=False), "failed", "is taken"),
        ("127.0.0.1", Listener(address=HERE, ours=True, status="ok"), "note", "this machine only"),
        ("0.0.0.0", Listener(address=HERE, ours=True, status="ok"), "ok", "answers on"),
        ("0.0.0.0", Listener(address=HERE, ours=True, status="loading"), "note", "(loading)"),
    ],
)
def test_the_port(host: str, listener: Listener | None, state: str, words: str):
    found = access.port(Settings(host=host, allow_anonymous=True), listener)
    assert found.state == state
    assert words in found.words


@pytest.mark.parametrize(
    ("state", "verdict"), [("active", "ok"), ("failed", "failed"), ("inactive", "note")]
)
def test_the_service(state: str, verdict: str):
    found = access.service(Unit(state=state, status="ready: 1 running", restarts=2))
    assert found.state == verdict
    assert f"is {state}: ready: 1 running, 2 restarts" in found.words


def test_a_unit_as_systemctl_shows_it():
    text = "LoadState=loaded\nActiveState=active\nStatusText=ready: a=b\nNRestarts=3\n"
    assert unit_of(text) == Unit(state="active", status="ready: a=b", restarts=3)
    assert unit_of("LoadState=not-found\nActiveState=inactive\n") is None


def test_no_systemd_is_no_unit(tmp_path: Path):
    assert unit(tmp_path / "none") is None


def test_settings_that_are_wrong_are_told_one_by_one(monkeypatch: pytest.MonkeyPatch):
    for name in ("PORT", "MAX_QUEUE"):
        monkeypatch.delenv(name, raising=False)
    found = list(of_settings(find({"port": "abc", "max_queue": "-1"})))
    assert [each.state for each in found] == ["failed", "failed"]
    assert any(each.way_out == "set PORT=8000" for each in found)
    (fine,) = of_settings(find({"port": "8001"}))
    assert fine.state == "ok"
