"""Guessed tokens over the tiny model: the same tokens from the same logits.

llama.cpp rounds differently when it computes several tokens at once, and a model with 8-bit
activations makes much of little; so this is shown on its copy with 32-bit weights.
"""

import itertools
from math import inf

import msgspec
import pytest

from server.core.ports import SpeculationCounters
from server.worker.messages import Rule, SamplerOptions, Token
from server.worker.ports import Batch, Sample, Span
from server.worker.runtime.batch import BatchArrays, decodes
from server.worker.runtime.load import Runtime
from tests.worker.fake_runner import GREEDY, alphabet, submission
from tests.worker.runtime.id_set import id_sets
from tests.worker.runtime.session import Session
from tests.worker.runtime.test_generation_real import noise

COOL = msgspec.structs.replace(GREEDY, temperature=0.3, seed=11)
CAREFUL = msgspec.structs.replace(
    COOL, top_p=0.95, repeat_penalty=1.05, presence_penalty=0.1, dry_multiplier=0.1
)
MIROSTAT = msgspec.structs.replace(COOL, mirostat=2, mirostat_tau=1.0)
SAMPLERS = {"greedy": GREEDY, "cool": COOL, "careful": CAREFUL, "mirostat": MIROSTAT}
# A window that is one token short shows as ten times that.
TOLERANCE = 0.01
TOP = 50


def answers(
    runtime: Runtime, *asked: dict[str, object]
) -> tuple[list[list[Token]], SpeculationCounters]:
    """Every step takes the same time by this session's clock: a guess costs nothing."""
    clock = itertools.count().__next__
    session = Session(runtime, max_stall_s=1e9, clock=clock, speculates=True)
    for number, fields in enumerate(asked):
        session.submit(submission(number, **fields))
    session.finish()
    return list(session.tokens.values()), session.speculation or SpeculationCounters()


def assert_same(plain: list[Token], guessed: list[Token]) -> None:
    assert len(plain) == len(guessed)
    for expected, token in zip(plain, guessed, strict=True):
        if token.token != expected.token:
            (_, first), (_, second), *_ = expected.top
            # Equally likely: the rest of the answers is not the same.
            assert first - second < TOLERANCE
            return
        assert difference(expected, token) < TOLERANCE


def difference(first: Token | Sample, second: Token | Sample) -> float:
    """The largest between two samples' logprobs of a token that is likely to both."""
    others = dict(second.top)
    both = [(logprob, others[token]) for token, logprob in first.top if token in others]
    return max((abs(a - b) for a, b in both), default=inf)


def copying(chats: list[list[int]], sampler: SamplerOptions, **fields: object) -> dict[str, object]:
    """The chat that asks for a repetition of repetitions."""
    values = {"prompt": chats[7], "count": 150, "sampler": sampler, "top_logprobs": TOP}
    return values | fields


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_a_copying_answer_is_the_same(
    exact: Runtime, chats: list[list[int]], sampler: SamplerOptions
) -> None:
    asked = copying(chats, sampler)
    plain, nothing = answers(exact, asked | {"speculate": False})
    guessed, counters = answers(exact, asked)
    assert_same(plain[0], guessed[0])
    assert nothing.drafted == 0
    assert 20 < counters.accepted <= counters.drafted


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_in_company_every_answer_is_the_same(
    exact: Runtime, chats: list[list[int]], sampler: SamplerOptions
) -> None:
    prompts = (chats[2], chats[7], noise(4, 50), noise(5, 140), chats[7][:-3])
    asked = [copying(chats, sampler, prompt=prompt) for prompt in prompts]
    alone = [answers(exact, each | {"speculate": False})[0][0] for each in asked]
    together, counters = answers(exact, *asked)
    for plain, guessed in zip(alone, together, strict=True):
        assert_same(plain, guessed)
    assert 20 < counters.accepted <= counters.drafted


@pytest.mark.parametrize("seed", [4, 6, 9])
def test_long_answers_that_leave_the_window_behind(exact: Runtime, seed: int) -> None:
    # Greedy after noise goes round in circles: all is copied, and now and then it is not.
    asked = {"prompt": noise(seed, 100 + seed), "count": 700, "top_logprobs": TOP}
    plain, _ = answers(exact, asked | {"speculate": False})
    guessed, counters = answers(exact, asked)
    assert_same(plain[0], guessed[0])
    assert counters.accepted > 300


def test_warm_text_is_not_guessed(exact: Runtime) -> None:
    warm = msgspec.structs.replace(COOL, temperature=0.31)
    _, counters = answers(exact, {"prompt": [5] * 100, "count": 50, "sampler": warm})
    assert counters.drafted == 0


@pytest.mark.parametrize("length", [20, 120, 127, 128, 129, 250, 256, 300, 700])
def test_wrong_guesses_leave_no_trace(exact: Runtime, length: int) -> None:
    """Also in a slot that was restored from a snapshot."""
    runner, prompt, right = exact.runner, noise(3, length), noise(8, 12)
    for slot in (0, 1):
        runner.rewind(slot)
        runner.occupy(slot, GREEDY)
    for begin in range(0, length, 100):
        tokens = prompt[begin : begin + 100]
        runner.run(Batch([Span(0, begin, tokens, False)], 0, len(tokens)))
    assert runner.restore(1, runner.snapshot(0))
    expected = [
        runner.run(Batch([Span(0, length + n, [token], True, TOP)], 1, 0)).draw(0)
        for n, token in enumerate(right)
    ]
    # Three are right and five are not, twice; then none is.
    for start, count in ((0, 4), (4, 4), (8, 1)):
        span = [*right[start : start + count], 7, 7, 7, 7, 7]
        draft = len(span) - 1
        logits = runner.run(Batch([Span(1, length + start, span, True, TOP, draft)], 1, 0, draft))
        for row in range(count):
            assert difference(logits.draw(row), expected[start + row]) < TOLERANCE
        assert runner.trim(1, length + start + count)
    logits = runner.run(Batch([Span(1, length + 9, right[9:10], True, TOP)], 1, 0))
    assert difference(logits.draw(0), expected[9]) < TOLERANCE
    for slot in (0, 1):
        runner.release(slot)


def test_rules_and_grammars_hold_in_what_is_guessed(
    exact: Runtime, chats: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exact.runner, "compile", id_sets(exact.model.vocabulary_size))
    words = ",".join(map(str, range(0, 1500, 3)))
    for sampler in (GREEDY, COOL):
        rules = [Rule(suffix=[], grammar=alphabet(f"{words} 100 100", 1501))]
        asked = copying(chats, sampler, prompt=noise(4, 50), rules=rules)
        plain, _ = answers(exact, asked | {"speculate": False})
        guessed, counters = answers(exact, asked)
        assert [token.token for token in guessed[0]] == [token.token for token in plain[0]]
        assert counters.drafted > 0


# --- batches -------------------------------------------------------------------------------------


def guessed(slot: int, draft: int) -> Span:
    return Span(slot, 5 * slot, list(range(1 + draft)), True, None, draft)


def test_guessed_tokens_have_logits_each() -> None:
    arrays = BatchArrays(16)
    assert arrays.fill(Batch([guessed(0, 2), guessed(1, 2)], 2, 0, 4)) == [0, 1, 2, 3, 4, 5]
    assert arrays.batch.logits[:6] == [1] * 6
    assert arrays.batch.pos[:6] == [0, 1, 2, 5, 6, 7]


def test_spans_of_different_lengths_are_computed_apart() -> None:
    spans = [guessed(0, 0), guessed(1, 3), guessed(2, 0), guessed(3, 3), guessed(5, 3)]
    parts = decodes(Batch(spans, 5, 0, 9), 8)
    assert [[span.slot for span in part.spans] for part in parts] == [[0, 2], [1, 3], [5]]
    assert [(part.streams, part.prompt_tokens, part.drafts) for part in parts] == [
        (2, 0, 0),
        (2, 0, 6),
        (1, 0, 3),
    ]
