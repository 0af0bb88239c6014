"""What is concluded from figures, as of machines that there are."""

from dataclasses import replace

import pytest

from server.benchmark.limits import Facts, limits

GB = 1_000_000_000
# gpt-oss-20b on two cores without anything odd: nothing to change but the machine.
TWO_CORES = Facts(
    prompt_per_s=26.2,
    alone_per_s=13.3,
    together_per_s=19.9,
    streams=4,
    spread=0.04,
    bandwidth=41.0 * GB,
    weight_bytes=12_100_000_000,
    active_bytes=2_570_000_000,
    kv_bytes=900_000_000,
    available_bytes=8 * GB,
    layers=24,
    threads=2,
    granted_cpus=2,
    cores=2,
)


def told(**more: object) -> list[str]:
    return [str(limit) for limit in limits(replace(TWO_CORES, **more))]


def first(**more: object) -> str:
    return told(**more)[0]


def test_memory_limits_one_answer_and_the_ceiling_is_told():
    found = first()
    assert found.startswith("One answer is limited by memory: a token needs 2.6 GB of weights")
    assert "13.3 tokens/s that is 34 of the 41.0 GB/s" in found
    assert "More threads do not help" in found
    assert "no setting brings much more than 16 tokens/s" in found


def test_a_memory_that_was_measured_beside_other_work_is_no_ceiling_below_the_speed():
    assert "much more than 13 tokens/s" in first(bandwidth=31.0 * GB)


def test_the_processor_limits_where_memory_has_time_left():
    found = first(alone_per_s=4.0)
    assert found.startswith("One answer is limited by the processor, not by memory")
    assert "More or faster cores help" in found


def test_of_a_tiny_model_neither_limits():
    found = first(alone_per_s=2000.0, active_bytes=700_000)
    assert found.startswith("Neither memory nor processor limit")


def test_several_answers_share_what_is_read():
    assert any("N_PARALLEL=4 serves 1.5 times as much" in each for each in told())
    assert any("4.97 each, and one alone 13.3" in each for each in told())


def test_several_answers_that_bring_nothing_are_not_worth_their_memory():
    found = [each for each in told(together_per_s=13.9) if "sharing brings nothing" in each]
    assert len(found) == 1
    assert "Set N_PARALLEL=1 or 2" in found[0]
    assert not [each for each in told(others=1.4, together_per_s=9.0) if "nothing" in each]
    assert "900.0 MB now" in found[0]


def test_of_two_answers_that_bring_nothing_one_is_left():
    found = [each for each in told(streams=2, together_per_s=13.0) if "brings nothing" in each]
    assert "Set N_PARALLEL=1:" in found[0]


def test_prompts_that_take_long_are_told_in_seconds():
    found = [each for each in told() if each.startswith("Prompts are read at 26.2")]
    assert len(found) == 1
    assert "take 38 s" in found[0]
    assert not [each for each in told(prompt_per_s=2000.0) if each.startswith("Prompts")]


@pytest.mark.parametrize(
    ("more", "cause", "change"),
    [
        ({"reread_a_token": 2e8}, "200.0 MB were read from the disk again", "WEIGHT_REPACK=off"),
        ({"swapped_bytes": 2 * GB}, "2.0 GB of the model's process are in the swap", "more memory"),
        ({"throttled": 0.3}, "A quota takes 30%", "CPUQuota="),
        ({"stolen": 0.12}, "The host gives 12%", "dedicated cores"),
        ({"others": 1.4}, "Other programs kept 1.4 of 2 processors busy", "measure again"),
        ({"card_without_build": True}, "built without CUDA", "install.sh --gpu"),
        ({"gpu_layers": 10}, "10 of 24 layers are on the graphics card", "N_CPU_MOE"),
        ({"threads": 8}, "N_THREADS is 8, and 2 processors are granted", "Set N_THREADS=2."),
        ({"threads": 1}, "1 of 2 cores compute", "Set N_THREADS=2, or leave it out"),
        (
            {"threads": 8, "granted_cpus": 8, "cores": 4},
            "8 threads share 4 cores",
            "Try N_THREADS=4",
        ),
        ({"unused_features": ("AVX512", "AMX_INT8")}, "without AVX512, AMX_INT8", "source"),
    ],
)
def test_what_can_be_mended_comes_first(more: dict[str, object], cause: str, change: str):
    found = first(**more)
    assert cause in found
    assert change in found


def test_the_faster_layout_is_told_where_there_is_memory_for_it():
    assert not [each for each in told(repack=False) if "WEIGHT_REPACK=on" in each]
    found = [each for each in told(repack=False, available_bytes=20 * GB) if "REPACK=on" in each]
    assert len(found) == 1
    assert "12.1 GB of memory" in found[0]


def test_where_others_compute_nothing_is_blamed_on_the_processor():
    assert not [
        each for each in told(others=1.4, alone_per_s=4.0) if "by the processor, not" in each
    ]


def test_rounds_that_differ_are_told():
    assert told(spread=0.4)[-1].startswith("The rounds differ by 40%")
    assert not [each for each in told() if each.startswith("The rounds")]


def test_on_a_card_main_memory_says_nothing():
    found = told(gpu_layers=24, prompt_per_s=5000.0, alone_per_s=200.0, together_per_s=600.0)
    assert found == [
        "4 answers at once get 600 tokens/s together, 150 each, and one alone 200:"
        " N_PARALLEL=4 serves 3.0 times as much. Where each answer has to be fast, lower it: who"
        " comes later waits instead."
    ]


def test_of_a_machine_elsewhere_only_the_speeds_are_used():
    found = limits(Facts(prompt_per_s=26.0, alone_per_s=13.0, together_per_s=20.0, streams=4))
    assert len(found) == 1
    assert "N_PARALLEL=4" in str(found[0])
