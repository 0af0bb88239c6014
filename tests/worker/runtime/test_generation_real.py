"""Whole answers through the scheduler and the tiny model."""

import random
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from server.worker.messages import SamplerOptions, Token
from server.worker.runtime.load import Runtime
from tests.worker.fake_runner import GREEDY, submission
from tests.worker.runtime.conftest import CONTEXT, SLOTS
from tests.worker.runtime.session import Session

FREE = msgspec.structs.replace(GREEDY, temperature=1.0, seed=1234)


def answer(
    runtime: Runtime, prompt: Sequence[int], count: int = 60, sampler: SamplerOptions = GREEDY
) -> list[int]:
    session = Session(runtime)
    session.submit(submission(1, prompt, count, sampler=sampler))
    return session.finish()[1]


def answers(
    runtime: Runtime,
    prompts: Sequence[Sequence[int]],
    count: int = 60,
    sampler: SamplerOptions = GREEDY,
) -> list[list[int]]:
    session = Session(runtime)
    for number, prompt in enumerate(prompts):
        session.submit(submission(number, prompt, count, sampler=sampler))
    return list(session.finish().values())


def noise(seed: int, length: int) -> list[int]:
    """Tokens without sense: the model is unsure after them, so the least difference shows."""
    return random.Random(seed).choices(range(1500), k=length)


def test_the_model_speaks(runtime: Runtime, chats: list[list[int]]) -> None:
    session = Session(runtime)
    session.submit(submission(1, chats[0], 200, stop_ids=runtime.loaded.end_ids))
    tokens = session.finish()[1]
    text = b"".join(runtime.loaded.tokens[token] for token in tokens)
    assert text.startswith(b"<|channel|>analysis<|message|>")
    assert text.endswith(b"<|return|>")
    assert session.ended[1].reason == "stop"


def test_greedy_is_the_same_alone_and_among_seven_others(
    runtime: Runtime, chats: list[list[int]]
) -> None:
    together = answers(runtime, chats)
    assert together == [answer(runtime, prompt) for prompt in chats]


def test_greedy_is_the_same_where_the_model_is_unsure(runtime: Runtime) -> None:
    prompts = [noise(seed, 5 + seed * 51) for seed in range(SLOTS)]
    together = answers(runtime, prompts, 40)
    assert together == [answer(runtime, prompt, 40) for prompt in prompts]


def test_a_prompt_computed_in_small_pieces_beside_a_stream_is_answered_the_same(
    runtime: Runtime,
) -> None:
    prompt = noise(99, 300)
    session = Session(runtime, max_stall_s=1e-6)
    session.submit(submission(1, noise(98, 10), 400))
    session.step()
    session.submit(submission(2, prompt, 40))
    assert session.finish()[2] == answer(runtime, prompt, 40)


def test_a_seed_repeats_itself_alone_and_among_others(
    runtime: Runtime, chats: list[list[int]]
) -> None:
    alone = answer(runtime, chats[3], sampler=FREE)
    assert answer(runtime, chats[3], sampler=FREE) == alone
    assert answers(runtime, chats, sampler=FREE)[3] == alone


def test_another_seed_says_something_else(runtime: Runtime) -> None:
    prompt = noise(3, 40)
    seeds = [msgspec.structs.replace(FREE, seed=seed) for seed in (1, 2, 0xFFFFFFFF, 1 << 70)]
    assert len({tuple(answer(runtime, prompt, 30, sampler)) for sampler in seeds}) > 1


def test_the_seed_that_llama_cpp_takes_for_random_repeats_itself(runtime: Runtime) -> None:
    sampler = msgspec.structs.replace(FREE, seed=0xFFFFFFFF)
    prompt = noise(3, 40)
    assert answer(runtime, prompt, 30, sampler) == answer(runtime, prompt, 30, sampler)


def test_a_used_slot_leaves_no_trace(runtime: Runtime, chats: list[list[int]]) -> None:
    first = answer(runtime, chats[4])
    answers(runtime, [noise(seed, 500) for seed in range(SLOTS)], 20)
    assert answer(runtime, chats[4]) == first


def test_cancelled_prompts_leave_no_trace(runtime: Runtime) -> None:
    expected = answer(runtime, noise(1, 200), 20)
    session = Session(runtime, max_stall_s=1e-6)
    session.submit(submission(1, noise(5, 10), 300))
    session.step()
    session.submit(submission(2, noise(6, 400), 10))
    for _ in range(3):
        session.step()
    session.scheduler.cancel(2)
    session.step()
    assert session.ended[2].reason == "cancelled"
    assert session.tokens[2] == []
    session.submit(submission(3, noise(1, 200), 20))
    assert session.finish()[3] == expected


def test_the_context_can_be_filled_to_the_last_token(runtime: Runtime) -> None:
    session = Session(runtime)
    for number in range(SLOTS):
        session.submit(submission(number, noise(number, CONTEXT - 10), 10))
    tokens = session.finish()
    assert {len(answer) for answer in tokens.values()} == {10}
    assert {end.reason for end in session.ended.values()} == {"length"}


# --- logprobs ------------------------------------------------------------------------------------


def logprobs_of(runtime: Runtime, top: int, sampler: SamplerOptions) -> list[Token]:
    session = Session(runtime)
    session.submit(submission(1, noise(8, 30), 8, top_logprobs=top, sampler=sampler))
    session.finish()
    return session.tokens[1]


def test_logprobs_are_the_models_whole_distribution(runtime: Runtime) -> None:
    size = runtime.model.vocabulary_size
    for token in logprobs_of(runtime, size, GREEDY):
        values = np.array([logprob for _, logprob in token.top])
        assert len(values) == size
        assert np.exp(values).sum() == pytest.approx(1.0)
        assert (np.diff(values) <= 0).all()
        assert token.top[0] == (token.token, token.logprob)


def test_logprobs_are_raw_whatever_the_sampler_does(runtime: Runtime) -> None:
    first = logprobs_of(runtime, 5, GREEDY)[0]
    cold = msgspec.structs.replace(FREE, temperature=0.2, top_k=1, logit_bias={first.token: -50.0})
    second = logprobs_of(runtime, 5, cold)[0]
    assert second.token != first.token
    assert second.top == first.top
    assert len(second.top) == 5


def test_no_alternatives_but_the_chosen_token(runtime: Runtime) -> None:
    token = logprobs_of(runtime, 0, GREEDY)[0]
    assert token.top == []
    assert token.logprob is not None
    assert token.logprob < 0


# --- samplers ------------------------------------------------------------------------------------


def sampler(**fields: object) -> SamplerOptions:
    return msgspec.structs.replace(FREE, **fields)


@pytest.mark.parametrize(
    "options",
    [
        sampler(top_k=1),
        sampler(top_p=0.0),
        sampler(min_p=1.0),
        sampler(temperature=1e-30),
        sampler(temperature=-1.0),
        sampler(top_n_sigma=1e-6),
    ],
    ids=["top_k", "top_p", "min_p", "cold", "negative", "top_n_sigma"],
)
def test_samplers_that_leave_only_the_likeliest_are_greedy(
    runtime: Runtime, options: SamplerOptions
) -> None:
    prompt = noise(4, 50)
    assert answer(runtime, prompt, 20, options) == answer(runtime, prompt, 20)


@pytest.mark.parametrize(
    "options",
    [
        sampler(mirostat=1),
        sampler(mirostat=2),
        sampler(mirostat=1, mirostat_tau=0.0, mirostat_eta=1000.0),
        sampler(mirostat=2, mirostat_tau=1000.0, mirostat_eta=1000.0, temperature=100.0),
        sampler(typical_p=0.0),
        sampler(typical_p=0.5, top_k=10**12, top_p=0.9, min_p=0.01),
        sampler(repeat_penalty=100.0, frequency_penalty=100.0, repeat_last_n=-1),
        sampler(repeat_penalty=0.01, presence_penalty=-100.0, repeat_last_n=10**12),
        sampler(dry_multiplier=100.0, dry_base=100.0, dry_allowed_length=0, dry_penalty_last_n=-1),
        sampler(dry_multiplier=0.1, dry_base=0.0, dry_penalty_last_n=10**12, typical_p=0.5),
        sampler(dry_multiplier=0.8, mirostat=2, xtc_probability=0.5),
        sampler(top_n_sigma=100.0, xtc_probability=1.0, xtc_threshold=0.0, typical_p=0.5),
        sampler(top_n_sigma=0.001, xtc_probability=1.0, xtc_threshold=1.0, min_p=1.0),
        sampler(logit_bias=dict.fromkeys(range(1000), 10000.0), temperature=0.0001),
        sampler(logit_bias=dict.fromkeys(range(1557), -10000.0), typical_p=0.5),
    ],
    ids=str,
)
def test_extreme_numbers_are_survived(runtime: Runtime, options: SamplerOptions) -> None:
    tokens = answer(runtime, noise(4, 50), 20, options)
    assert len(tokens) == 20
    assert all(0 <= token < runtime.model.vocabulary_size for token in tokens)


def test_logit_bias_forbids_and_forces(runtime: Runtime) -> None:
    prompt = noise(4, 50)
    likeliest = answer(runtime, prompt, 1)[0]
    banned = msgspec.structs.replace(GREEDY, logit_bias={likeliest: -100.0})
    forced = sampler(logit_bias={77: 100.0})
    assert answer(runtime, prompt, 1, banned) != [likeliest]
    assert answer(runtime, prompt, 3, forced) == [77, 77, 77]


def test_penalties_make_greedy_say_nothing_twice(runtime: Runtime) -> None:
    options = msgspec.structs.replace(GREEDY, presence_penalty=100.0, repeat_last_n=-1)
    tokens = answer(runtime, noise(4, 50), 100, options)
    assert len(set(tokens)) == 100


def test_dry_keeps_greedy_from_repeating_itself(runtime: Runtime) -> None:
    def longest_repeat(tokens: list[int]) -> int:
        text = "".join(map(chr, tokens))
        ends = range(len(text))
        return max(n for n in range(20) for at in ends if text.find(text[at : at + n], at + 1) >= 0)

    prompt = noise(4, 50)
    options = msgspec.structs.replace(
        GREEDY, dry_multiplier=10.0, dry_base=2.0, dry_allowed_length=3, dry_penalty_last_n=-1
    )
    assert longest_repeat(answer(runtime, prompt, 150)) > 10
    assert longest_repeat(answer(runtime, prompt, 150, options)) < 6


def test_xtc_leaves_out_the_likeliest(runtime: Runtime) -> None:
    # Of all that are likelier than one in a thousand only the last is left.
    options = sampler(xtc_probability=1.0, xtc_threshold=0.001)
    for token in logprobs_of(runtime, runtime.model.vocabulary_size, options):
        above = [logprob for _, logprob in token.top if logprob >= np.log(0.001)]
        assert len(above) > 1
        assert token.logprob <= min(above)


def test_penalties_do_not_count_the_prompt(
    runtime: Runtime, tokens_of: Callable[[str], list[int]]
) -> None:
    prompt = tokens_of("<|start|>assistant<|channel|>final<|message|>Hello") * 5
    options = msgspec.structs.replace(GREEDY, presence_penalty=100.0, repeat_last_n=-1)
    assert answer(runtime, prompt, 1, options) == answer(runtime, prompt, 1)


def test_a_key_with_one_request_does_not_wait_behind_anothers_many(
    runtime: Runtime, chats: list[list[int]]
) -> None:
    session = Session(runtime)
    for number in range(3 * SLOTS):
        session.submit(submission(number, chats[number % len(chats)], 12, owner=b"many"))
    session.submit(submission(99, chats[1], 12, owner=b"one"))
    tokens = session.finish()
    order = list(session.ended)
    # The places that the first ones leave go to the two keys in turn.
    assert order.index(99) < SLOTS + 2
    assert tokens[99] == answer(runtime, chats[1], 12)
