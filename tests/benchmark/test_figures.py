"""Speeds out of what was seen of answers, and how many rounds there are."""

import pytest

from server.benchmark.figures import Reading, Rounds, together_per_s
from server.benchmark.scenarios import (
    ALONE_TOKENS,
    LEAST_PROMPT,
    LONG_PROMPT,
    MOST_ROUNDS,
    TOGETHER_TOKENS,
    Plan,
    Prompts,
    fit,
    measure,
    rounds,
)


def reading(first: float, gap: float, tokens: int, **more: float) -> Reading:
    """An answer of so many tokens, one every `gap` seconds."""
    arrivals = tuple(first + gap * number for number in range(tokens))
    return Reading(
        began=0.0,
        arrivals=arrivals,
        prompt_tokens=30,
        cached_tokens=10,
        tokens=tokens,
        prompt_s=more.get("prompt_s", 2.0),
        generation_s=gap * (tokens - 1),
    )


def test_one_answer():
    found = reading(0.5, 0.1, 11)
    assert found.first_s == 0.5
    assert found.prompt_per_s == pytest.approx(10)
    assert found.tokens_per_s == pytest.approx(10)
    assert reading(0.5, 0.1, 11, prompt_s=0.0).prompt_per_s == 0


def test_rounds():
    found = Rounds(values=(9.0, 10.0, 12.0))
    assert (found.median, found.count) == (10.0, 3)
    assert found.spread == pytest.approx(0.3)


def test_answers_together_are_counted_while_all_are_written():
    # The second begins a second later; alone, each would get its token in half the time.
    found = together_per_s([reading(0.0, 0.2, 31), reading(1.0, 0.2, 31)])
    assert found == pytest.approx(10, rel=0.05)


def test_answers_that_hardly_overlap_are_counted_over_all_the_time():
    found = together_per_s([reading(0.0, 0.1, 11), reading(1.0, 0.1, 11)])
    assert found == pytest.approx(20 / 2.0)


def test_pieces_of_several_tokens_count_as_many():
    pieces = reading(0.0, 0.4, 11)
    slow = Reading(
        **{name: getattr(pieces, name) for name in ("began", "arrivals", "prompt_tokens")},
        cached_tokens=0,
        tokens=22,
        prompt_s=1.0,
        generation_s=4.0,
    )
    assert together_per_s([slow, slow]) == pytest.approx(10)


async def test_rounds_end_with_their_time():
    async def measured() -> float:
        return 1.0

    # Where one takes longer than all of them should, it is the only one.
    assert (await rounds(measured, seconds=0.0)).count == 1
    assert (await rounds(measured, seconds=60.0)).count == MOST_ROUNDS


def test_no_two_prompts_begin_alike():
    prompts = Prompts(tokens_a_word=2.0, tokens_per_s=100.0)
    texts = {prompts.text(40) for _ in range(20)}
    assert {len(text.split()) for text in texts} == {20}
    assert len(texts) == 20


class Counting:
    """A target that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    async def __aenter__(self) -> "Counting":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to end."""

    async def write(self, prompt: str, tokens: int) -> Reading:
        words = len(prompt.split())
        self.asked.append((words, tokens))
        made = reading(0.1, 0.01, tokens)
        return Reading(
            **{
                name: getattr(made, name)
                for name in ("began", "arrivals", "cached_tokens", "tokens", "prompt_s")
            },
            prompt_tokens=words * 2 + 3,
            generation_s=made.generation_s,
        )


async def test_everything_is_measured_with_prompts_of_the_right_length():
    target, said = Counting(), list[str]()
    plan = Plan(seconds=1e3, streams=3, context_length=8192, threads=1)
    speeds = await measure(target, plan, said.append)
    assert said == ["warming up", "reading prompts", "one answer alone", "3 answers at once"]
    asked = [tokens for _, tokens in target.asked]
    assert target.asked.count((LONG_PROMPT // 2, 1)) == MOST_ROUNDS
    assert asked.count(ALONE_TOKENS) == MOST_ROUNDS
    assert asked.count(TOGETHER_TOKENS) == 3 * MOST_ROUNDS
    assert speeds.together is not None
    assert speeds.alone.median == pytest.approx(100)
    assert speeds.tokens == MOST_ROUNDS * (1 + ALONE_TOKENS + 3 * TOGETHER_TOKENS)


@pytest.mark.parametrize(
    ("tokens_per_s", "tokens"), [(1.0, LEAST_PROMPT), (26.0, 173), (1e4, LONG_PROMPT)]
)
def test_a_slow_machine_is_asked_for_less(tokens_per_s: float, tokens: int):
    assert fit(tokens_per_s, 20.0, LEAST_PROMPT, LONG_PROMPT) == tokens


async def test_a_small_context_and_one_stream_ask_for_less():
    target = Counting()
    plan = Plan(seconds=0.0, streams=1, context_length=256, threads=1)
    speeds = await measure(target, plan, lambda _: None)
    assert max(words for words, _ in target.asked) * 2 <= 128
    assert speeds.together is None
