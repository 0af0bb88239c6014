from hypothesis import given, settings
from hypothesis import strategies as st

from server.worker.lookup import FIRST_RATE, GRAM, LONGEST_CATCH, Lookup

TEXTS = st.lists(st.integers(0, 3), min_size=1, max_size=60)


def expected(tokens: list[int], marks: frozenset[int]) -> list[int | None]:
    """For every place the place whose token is foreseen for it, if any; found the slow way."""
    foreseen: list[int | None] = [None] * (len(tokens) + 1)
    for end in range(1, len(tokens) + 1):
        before = foreseen[end - 1]
        if marks.intersection(tokens[max(end - GRAM, 0) : end]):
            carries_on = before is not None and tokens[before] == tokens[end - 1]
            if tokens[end - 1] in marks or not carries_on:
                continue
        if before is not None and tokens[before] == tokens[end - 1]:
            foreseen[end] = before + 1
        elif end >= GRAM:
            gram = tokens[end - GRAM : end]
            places = [n for n in range(GRAM, end) if tokens[n - GRAM : n] == gram]
            foreseen[end] = places[-1] if places else None
    return foreseen


@given(
    tokens=TEXTS,
    prompt_tokens=st.integers(1, 60),
    step=st.integers(1, 5),
    marks=st.sampled_from([frozenset(), frozenset({0})]),
)
@settings(max_examples=300, deadline=None)
def test_what_is_foreseen(
    tokens: list[int], prompt_tokens: int, step: int, marks: frozenset[int]
) -> None:
    text = tokens[:prompt_tokens]
    lookup = Lookup(text, marks)
    foreseen = expected(tokens, marks)
    while True:
        lookup.catch_up()
        place = foreseen[len(text)]
        assert lookup.has_match == (place is not None)
        if place is not None:
            whole = list(text)
            for _ in range(10):
                whole.append(whole[place + len(whole) - len(text)])
            assert lookup.guess(10) == whole[len(text) :]
        if len(text) == len(tokens):
            return
        text += tokens[len(text) : len(text) + step]


def test_the_rate_follows_what_came_true() -> None:
    text = [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3]
    lookup = Lookup(text)
    lookup.catch_up()
    assert lookup.rate == FIRST_RATE
    assert lookup.guess(3) == [4, 5, 6]
    text += [4, 5]
    lookup.catch_up()
    after_two = lookup.rate
    assert FIRST_RATE < after_two < 1
    text.append(0)
    lookup.catch_up()
    assert lookup.rate < after_two
    assert not lookup.has_match
    # Nothing was foreseen.
    missed = lookup.rate
    text.append(0)
    lookup.catch_up()
    assert lookup.rate == missed


def test_a_prompt_that_repeats_itself_says_nothing_about_the_answer() -> None:
    lookup = Lookup([1, 2] * 50)
    lookup.catch_up()
    assert lookup.rate == FIRST_RATE
    assert lookup.guess(5) == [1, 2, 1, 2, 1]


def test_a_long_prompt_is_taken_in_little_by_little() -> None:
    lookup = Lookup([1] * (2 * LONGEST_CATCH + 1))
    for known in (False, False, True):
        lookup.catch_up()
        assert lookup.has_match == known


def test_the_headers_of_messages_are_no_evidence() -> None:
    header = [90, 91, 92]
    text = [*header, 1, 2, 3, 4, 5, *header]
    lookup = Lookup(text, frozenset(header))
    lookup.catch_up()
    assert not lookup.has_match
    text += [*header, 1, 2]
    lookup.catch_up()
    assert not lookup.has_match
    text.append(3)
    lookup.catch_up()
    assert lookup.guess(2) == [4, 5]
    assert lookup.rate == FIRST_RATE
