"""How far a download is, in numbers and words."""

import pytest

from server.hub.progress import Meter, Progress, Steps, amount, bar, sentence


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_rate_is_that_of_the_last_seconds():
    clock = Clock()
    meter = Meter(10_000, clock)
    for count in [100] * 20 + [10] * 30:
        clock.now += 1
        meter.receive(count)
    progress = meter.progress()
    assert (progress.done, meter.received) == (2300, 2300)
    assert progress.rate == pytest.approx(10)
    assert progress.seconds_left == pytest.approx(770)


def test_what_was_here_before_has_no_rate():
    clock = Clock()
    meter = Meter(1000, clock)
    meter.find(500)
    assert meter.progress() == Progress(done=500, total=1000)
    assert meter.progress().seconds_left is None
    clock.now += 2
    meter.receive(100)
    assert meter.progress().rate == pytest.approx(50)
    meter.restart()
    assert meter.progress().rate == 0


def test_nothing_comes_while_something_is_waited_for():
    clock = Clock()
    meter = Meter(1000, clock)
    clock.now += 1
    meter.receive(10)
    assert meter.progress("waiting").rate == 0


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(done=0, total=0), "looking for the model"),
        (
            Progress(done=0, total=0, note="the hub is busy"),
            "looking for the model, the hub is busy",
        ),
        (
            Progress(done=4_480_000_000, total=12_109_566_560, rate=10.2e6),
            "downloading 36 % (4.5 GB of 12.1 GB, 10.2 MB/s, 12 min left)",
        ),
        (
            Progress(done=1, total=1000, note="the network is down"),
            "downloading 0 % (1 bytes of 1.0 kB, the network is down)",
        ),
        (
            Progress(done=0, total=12_109_566_560, rate=1e6),
            "downloading 0 % (0 bytes of 12.1 GB, 1.0 MB/s, 3 h 21 min left)",
        ),
        (
            Progress(done=999, total=1000, rate=0.1),
            "downloading 99 % (999 bytes of 1.0 kB, 0 bytes/s, 10 s left)",
        ),
    ],
)
def test_sentence(progress: Progress, text: str):
    assert sentence(progress) == text


@pytest.mark.parametrize(
    ("done", "cells"), [(0, "-" * 24), (50, "#" * 12 + "-" * 12), (100, "#" * 24)]
)
def test_bar(done: int, cells: str):
    assert f"[{cells}]" in bar(Progress(done=done, total=100), 80)


def test_bar_fits_the_terminal():
    for total in (0, 100):
        assert len(bar(Progress(done=0, total=total, note="x" * 200), 60)) == 59


def test_steps_are_told_once_and_so_is_every_new_note():
    told: list[str] = []
    steps = Steps(told.append)
    for done in range(25):
        steps.show(Progress(done=done, total=100))
    for note in ("down", "down", "", "down", "still down"):
        steps.show(Progress(done=24, total=100, note=note))
    steps.show(Progress(done=30, total=100))
    percents = [text.split()[1] for text in told]
    assert percents == ["0", "10", "20", "24", "24", "24", "30"]


def test_amount():
    assert [amount(n) for n in (12, 1e3, 12_109_566_560)] == ["12 bytes", "1.0 kB", "12.1 GB"]
