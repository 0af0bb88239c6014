"""From what was observed to facts, and how they are told."""

import json
from dataclasses import replace

import pytest

from server.benchmark.facts import Observed, facts_of, object_of, outcome, text_of, turn_s
from server.benchmark.figures import Rounds, Speeds
from server.benchmark.limits import Facts
from server.machine import Activity, Machine, Process
from server.worker.survey import Card, Survey, SurveyedModel

MACHINE = Machine(
    processor="Some CPU",
    features=frozenset({"AVX2", "AVX512"}),
    cores=2,
    memory_bytes=16 << 30,
    swap_bytes=0,
    nvidia_driver=True,
)
SPEEDS = Speeds(
    prompt=Rounds(values=(25.0, 26.0, 27.0)),
    alone=Rounds(values=(13.0, 13.0)),
    together=Rounds(values=(20.0, 20.0)),
    first_s=Rounds(values=(1.5, 1.7)),
    streams=4,
    tokens=100,
    seconds=10.0,
    activity=Activity(
        busy_s=19.0, stolen_s=1.0, throttled_s=2.0, disk_bytes=5_000_000_000, swapped_bytes=0
    ),
)
MODEL = SurveyedModel(weight_bytes=12_000_000_000, active_bytes=2_000_000_000, layers=24)
SURVEY = Survey(version="1", features=("AVX2",), gpu_build=False, model=MODEL, bandwidth=30e9)


def observed(survey: Survey | None = SURVEY, *, loaded: bool = True) -> Observed:
    return Observed(
        what="m.gguf, loaded for this",
        notes=("On the CPU.",),
        loaded=loaded,
        speeds=SPEEDS,
        survey=survey,
        worker=Process(resident=13_000_000_000, swapped=7, cpu_s=3.0) if survey else None,
        known_cpu_s=14.0,
        threads=2,
        granted_cpus=2,
        machine=MACHINE,
    )


def test_facts_of_this_machine():
    facts = facts_of(observed())
    assert (facts.prompt_per_s, facts.alone_per_s, facts.together_per_s) == (26.0, 13.0, 20.0)
    assert facts.spread == pytest.approx(2 / 26)
    assert facts.others == pytest.approx(0.5)
    assert facts.stolen == pytest.approx(0.05)
    assert facts.throttled == pytest.approx(0.1)
    assert facts.reread_a_token == 50_000_000
    assert facts.swapped_bytes == 7
    assert facts.unused_features == ("AVX512",)
    assert facts.card_without_build
    assert facts.ceiling_per_s == pytest.approx(15)


def test_facts_of_a_machine_elsewhere():
    facts = facts_of(observed(survey=None))
    assert (facts.alone_per_s, facts.threads, facts.others, facts.bandwidth) == (13.0, 0, 0.0, 0.0)


def test_of_a_server_that_may_be_on_a_card_no_placement_is_concluded():
    card = Survey(
        version="1",
        features=("AVX2",),
        gpu_build=True,
        cards=(Card(name="RTX", free=1),),
        model=MODEL,
        bandwidth=30e9,
    )
    facts = facts_of(observed(card, loaded=False))
    assert (facts.layers, facts.bandwidth, facts.weight_bytes) == (0, 0.0, 0)
    assert facts_of(observed(card)).weight_bytes == MODEL.weight_bytes
    assert facts_of(observed(loaded=False)).weight_bytes == MODEL.weight_bytes


def test_what_people_read():
    text = text_of(outcome(observed()))
    lines = text.splitlines()
    assert lines[0] == "m.gguf, loaded for this"
    assert "Some CPU, 2 threads on 2 processors" in lines
    assert "On the CPU." in lines
    assert any("26 tokens/s (median of 3, which differ by 8%)" in line for line in lines)
    assert any("20 tokens/s together, 5 each" in line for line in lines)
    assert any("about 26.9 s" in line for line in lines)
    assert any(line.endswith("13.0 GB") for line in lines)
    assert any(line.startswith("- Memory is too small") for line in lines)
    assert "measured once" not in text
    elsewhere = text_of(outcome(observed(survey=None)))
    assert "Some CPU" not in elsewhere


def test_a_single_round_is_called_that():
    once = replace(SPEEDS, alone=Rounds(values=(13.0,)))
    text = text_of(outcome(replace(observed(), speeds=once)))
    assert "one answer alone                13 tokens/s (measured once)" in text


def test_what_programs_read():
    found = json.loads(json.dumps(object_of(outcome(observed()))))
    assert found["rounds"]["alone_per_s"] == [13.0, 13.0]
    assert found["resident_bytes"] == 13_000_000_000
    assert found["facts"]["weight_bytes"] == 12_000_000_000
    assert found["limits"][0]["cause"].startswith("Memory is too small")


def test_a_turn_of_a_bot():
    assert turn_s(Facts(prompt_per_s=100.0, alone_per_s=50.0)) == pytest.approx(2 + 5)
    assert turn_s(Facts(prompt_per_s=0.0, alone_per_s=50.0)) == 0
