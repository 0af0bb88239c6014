"""When memory counts as growing."""

from soak import trend

REQUESTS = range(20, 2020, 20)


def test_what_grows_with_every_request_is_told() -> None:
    leak = trend(REQUESTS, [60 + 0.01 * n for n in REQUESTS])
    assert leak.grows
    assert round(leak.slope_mb, 6) == 10


def test_what_settles_after_the_warm_up_is_flat() -> None:
    settled = trend(REQUESTS, [60 if n < 400 else 75 + n % 40 / 40 for n in REQUESTS])
    assert not settled.grows
