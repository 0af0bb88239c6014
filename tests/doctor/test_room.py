"""Whether memory and disk are enough: both figures, whatever the outcome."""

from pathlib import Path

import pytest

from server.doctor import room
from server.hub.reference import CATALOGUE
from server.machine import Machine
from server.settings.settings import Settings
from server.worker.survey import Card, Survey, SurveyedModel

GB = 1_000_000_000
GPT_OSS = SurveyedModel(weight_bytes=12_100_000_000, kv_bytes=900_000_000, layers=24)


def machine(memory: int, swap: int = 0) -> Machine:
    return Machine(
        processor="CPU",
        features=frozenset({"AVX2"}),
        cores=4,
        memory_bytes=memory,
        swap_bytes=swap,
        nvidia_driver=False,
    )


def survey(model: SurveyedModel | None, free: int | None, *cards: Card) -> Survey:
    return Survey(
        version="1", features=(), gpu_build=False, available_bytes=free, model=model, cards=cards
    )


def memory(free: int, total: int, *, runs: bool = False, **more: object) -> list[str]:
    model = more.get("model", GPT_OSS)
    found = room.memory(survey(model, free), machine(total), None, runs=runs)
    return [str(each) for each in found]


def test_a_machine_of_4_gb_is_told_what_it_lacks():
    (line,) = memory(3 * GB, 4 * GB)
    assert line.startswith("failed")
    assert "13.5 GB needed" in line
    assert "the machine has 4.0 GB" in line
    assert "smaller model" in line


def test_the_size_of_a_model_that_is_not_here_yet_is_known():
    model = CATALOGUE["gpt-oss-20b"]
    found = list(room.memory(survey(None, 3 * GB), machine(4 * GB), model, runs=False))
    assert "12.6 GB needed, and the machine has 4.0 GB" in found[0].words
    assert not list(room.memory(survey(None, 3 * GB), machine(4 * GB), None, runs=False))


def test_memory_that_others_have_is_missing_unless_the_server_has_it():
    (line,) = memory(6 * GB, 16 * GB)
    assert line.startswith("failed")
    assert "6.0 GB of 16.0 GB are free" in line
    (line,) = memory(2 * GB, 16 * GB, runs=True)
    assert line.startswith("ok")


def test_enough_memory_is_told_in_figures():
    (line,) = memory(15 * GB, 16 * GB)
    assert line.startswith("ok")
    assert "13.5 GB needed (900.0 MB of it for contexts), 15.0 GB of 16.0 GB are free" in line


def test_what_is_on_a_card_needs_no_main_memory():
    model = SurveyedModel(weight_bytes=12 * GB, kv_bytes=GB, layers=24, gpu_layers=24)
    card = Card(name="RTX", free=16 * GB)
    found = list(room.memory(survey(model, 3 * GB, card), machine(4 * GB), None, runs=False))
    assert [each.state for each in found] == ["ok", "ok"]
    half = SurveyedModel(weight_bytes=12 * GB, kv_bytes=GB, layers=24, gpu_layers=12)
    found = list(room.memory(survey(half, 8 * GB, card), machine(8 * GB), None, runs=False))
    assert [each.state for each in found] == ["ok", "note"]
    assert "only 12 of 24 layers" in found[1].words


def test_beside_a_server_on_a_card_nothing_is_said_of_a_second_copy():
    # The card is full, with the very model that would not fit any more.
    full = Card(name="RTX", free=1 << 20)
    (found,) = room.memory(survey(GPT_OSS, 3 * GB, full), machine(4 * GB), None, runs=True)
    assert (found.state, found.words) == ("ok", "3.0 GB are free beside the server")


def test_swap_and_a_broken_file_are_told():
    found = list(room.memory(survey(GPT_OSS, 15 * GB), machine(16 * GB, GB), None, runs=False))
    assert [each.subject for each in found] == ["memory", "swap"]
    broken = survey(SurveyedModel(error="cut short."), 15 * GB)
    (found_broken,) = room.memory(broken, machine(16 * GB), None, runs=False)
    assert (found_broken.state, found_broken.words) == ("failed", "cut short")


@pytest.mark.parametrize(
    ("total", "fits", "not_"),
    [(4, [], ["gemma3", "gpt-oss-20b"]), (16, ["gemma3", "devstral", "gpt-oss-20b"], ["qwen3"])],
)
def test_which_models_there_is_room_for(total: int, fits: list[str], not_: list[str]):
    words = room.known(machine(total * GB), None).words
    fitting, _, others = words.partition("not for")
    assert all(name in fitting for name in fits)
    assert all(name in others for name in not_)


def test_a_card_makes_room_too():
    words = room.known(machine(8 * GB), survey(None, None, Card(name="H200", free=140 * GB))).words
    assert "gpt-oss-120b (70 GB)" in words
    assert "not for" not in words


def test_the_disk(tmp_path: Path):
    settings = Settings(models_dir=str(tmp_path), prefix_cache_dir=str(tmp_path / "p" / "q"))
    found = list(room.disk(settings, 0))
    assert [each.subject for each in found] == ["disk", "disk"]
    assert str(tmp_path) in found[0].words
    short, _ = room.disk(settings, 1 << 60)
    assert short.state == "failed"
    assert "models may take" in short.words
    later = room.free_on("disk", tmp_path / "not" / "yet", 0, "models")
    assert later.state == "ok"
