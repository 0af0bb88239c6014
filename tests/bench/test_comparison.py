"""What a comparison makes of its measurements."""

from comparison import merged


def test_what_was_measured_anew_takes_the_place_of_what_was_there() -> None:
    earlier = {"a": {"one": {"s": 1}, "two": {"s": 2}}, "bare": {"speed": {"s": 3}}}
    assert merged([earlier], {"a": {"two": {"s": 9}}, "b": {"two": {"s": 8}}}) == {
        "a": {"one": {"s": 1}, "two": {"s": 9}},
        "b": {"two": {"s": 8}},
        "bare": {"speed": {"s": 3}},
    }
    assert earlier["a"]["two"] == {"s": 2}
    assert merged([], {"a": {"one": {"s": 1}}}) == {"a": {"one": {"s": 1}}}
