from math import inf, nan

import msgspec
import pytest

from server.worker.admission import Limits, refusal
from server.worker.gate import Gate
from server.worker.messages import Accepted, Budget, Grammar, Minimum, Refused, Rule
from server.worker.rule_limits import LONGEST_IDS
from tests.worker.fake_runner import GREEDY, VOCABULARY, Clock, alphabet, submission

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
        ("dry_multiplier", -1.0),
        ("dry_base", nan),
        ("dry_allowed_length", -1),
        ("top_n_sigma", inf),
        ("xtc_probability", 1.1),
        ("xtc_threshold", nan),
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


# --- rules ---------------------------------------------------------------------------------------


def test_rules_that_make_sense_are_not_refused() -> None:
    submit = submission(
        1,
        [1],
        stop_ids=[9],
        rules=[
            Rule(suffix=[], force=[1], grammar=alphabet("1 1 1", 2)),
            Rule(suffix=[1] * LONGEST_IDS, force=[3], instead=True),
        ],
        budget=Budget(tokens=0, begin=[], end=[], force=[]),
        minimum=Minimum(tokens=0, after=[]),
    )
    assert refusal(submit, LIMITS) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"stop_ids": [VOCABULARY]}, "stop_ids names token 1000"),
        ({"stop_ids": [-1]}, "stop_ids names token -1"),
        ({"rules": [Rule(suffix=[VOCABULARY])]}, "A rule's suffix names token 1000"),
        ({"rules": [Rule(suffix=[1], force=[-1])]}, "What a rule forces names token -1"),
        ({"rules": [Rule(suffix=[1])] * 5000}, "5000 rules; at most 4096"),
        ({"rules": [Rule(suffix=[1] * 4097)]}, "4097 ids; at most 4096"),
        ({"rules": [Rule(suffix=[1] * 4096)] * 17}, "69632 ids in all"),
        ({"rules": [Rule(suffix=[], force=[1], instead=True)]}, "no token to replace"),
        ({"rules": [Rule(suffix=[1], instead=True)]}, "must force at least one"),
        ({"rules": [Rule(suffix=[], grammar=alphabet("", -1))]}, "ends with token -1"),
        ({"rules": [Rule(suffix=[], grammar=alphabet("я" * 600_000, 1))]}, "1200000 bytes"),
        ({"budget": Budget(tokens=-1, begin=[], end=[], force=[])}, "The budget has -1 tokens"),
        ({"budget": Budget(tokens=1, begin=[2000], end=[], force=[])}, "budget's begin names"),
        ({"budget": Budget(tokens=1, begin=[], end=[2000], force=[])}, "budget's end names"),
        ({"budget": Budget(tokens=1, begin=[], end=[], force=[2000])}, "budget forces names"),
        ({"minimum": Minimum(tokens=-1, after=[])}, "The minimum is -1 tokens"),
        ({"minimum": Minimum(tokens=1, after=[-7])}, "The minimum's after names token -7"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_rules_without_meaning(fields: dict[str, object], words: str) -> None:
    refused = refusal(submission(1, [1], **fields), LIMITS)
    assert refused is not None
    assert refused.kind == "invalid"
    assert words in refused.message


def test_a_grammar_that_does_not_compile_is_refused_at_the_gate() -> None:
    def check(grammar: Grammar) -> str | None:
        return f"{grammar.text} is no grammar." if grammar.text == "nonsense" else None

    gate = Gate(LIMITS, Clock(), check)
    good, bad = (Rule(suffix=[1], grammar=alphabet(text, 2)) for text in ("sense", "nonsense"))
    assert gate.enter(submission(1, [1], rules=[good])) == Accepted(id=1)
    refused = gate.enter(submission(2, [1], rules=[good, bad]))
    assert refused == Refused(id=2, kind="invalid", message="nonsense is no grammar.")


def test_choices_are_no_text_to_compile() -> None:
    def check(grammar: Grammar) -> str | None:
        raise AssertionError(f"{grammar} was compiled")

    choice = Rule(suffix=[1], grammar=Grammar(kind="choice", choices=[[1], [2]], end=2))
    gate = Gate(LIMITS, Clock(), check)
    assert gate.enter(submission(1, [1], rules=[choice])) == Accepted(id=1)


@pytest.mark.parametrize(("choices", "words"), [([], "no choices"), ([[1], [-1]], "token -1")])
def test_choices_that_cannot_be_made_are_refused(choices: list[list[int]], words: str) -> None:
    choice = Rule(suffix=[1], grammar=Grammar(kind="choice", choices=choices, end=2))
    refused = refusal(submission(1, [1], rules=[choice]), LIMITS)
    assert refused is not None
    assert words in refused.message
