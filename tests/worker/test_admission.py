from math import inf, nan

import msgspec
import pytest

from server.worker.admission import Limits, refusal
from tests.worker.fake_runner import GREEDY, VOCABULARY, submission

LIMITS = Limits(
    slots=1, context_length=100, vocabulary_size=VOCABULARY, queue_limit=1, max_stall_s=1.0
)


def test_what_fits_is_not_refused() -> None:
    assert refusal(submission(1, [0] * 99, 1), LIMITS) is None
    assert refusal(submission(1, [VOCABULARY - 1], 99, top_logprobs=20), LIMITS) is None


@pytest.mark.parametrize(("length", "count"), [(100, 1), (500, 1), (99, 2), (1, 100)])
def test_what_does_not_fit_the_context(length: int, count: int) -> None:
    refused = refusal(submission(7, [1] * length, count), LIMITS)
    assert refused is not None
    assert (refused.id, refused.kind) == (7, "context_too_long")
    assert "context holds 100" in refused.message
    assert "shorten the conversation" in refused.message


@pytest.mark.parametrize(
    ("prompt", "count", "word"),
    [
        ([], 5, "empty"),
        ([1], 0, "max_tokens"),
        ([1], -3, "max_tokens"),
        ([-1], 5, "-1"),
        ([3, VOCABULARY], 5, "1000"),
    ],
)
def test_requests_without_meaning(prompt: list[int], count: int, word: str) -> None:
    refused = refusal(submission(1, prompt, count), LIMITS)
    assert refused is not None
    assert refused.kind == "invalid"
    assert word in refused.message


@pytest.mark.parametrize("top", [-1, VOCABULARY + 1])
def test_alternatives_that_do_not_exist(top: int) -> None:
    refused = refusal(submission(1, [1], 1, top_logprobs=top), LIMITS)
    assert refused is not None
    assert "top_logprobs" in refused.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", nan),
        ("temperature", inf),
        ("top_p", -0.1),
        ("top_p", nan),
        ("min_p", 1.5),
        ("typical_p", inf),
        ("repeat_penalty", 0.0),
        ("repeat_penalty", -1.0),
        ("frequency_penalty", -inf),
        ("presence_penalty", nan),
        ("mirostat", 3),
        ("mirostat_tau", nan),
        ("mirostat_eta", -1.0),
        ("logit_bias", {VOCABULARY: 1.0}),
        ("logit_bias", {-1: 1.0}),
        ("logit_bias", {1 << 32: 1.0}),
        ("logit_bias", {1: nan}),
        ("logit_bias", {1: 1e30}),
    ],
)
def test_numbers_that_would_break_the_sampler(name: str, value: object) -> None:
    sampler = msgspec.structs.replace(GREEDY, **{name: value})
    refused = refusal(submission(1, [1], 1, sampler=sampler), LIMITS)
    assert refused is not None
    assert refused.kind == "invalid"
    assert name in refused.message
