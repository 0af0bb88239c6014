"""Rules, grammars and forced tokens through the scheduler and the tiny model."""

import msgspec
import pytest

from server.worker.messages import Minimum, Rule, SamplerOptions
from server.worker.runtime.load import Runtime
from tests.worker.fake_runner import GREEDY, alphabet, submission
from tests.worker.runtime.id_set import id_sets
from tests.worker.runtime.session import Session
from tests.worker.runtime.test_generation_real import answer, noise

FREE = msgspec.structs.replace(GREEDY, temperature=1.0, seed=5)
PROMPT = noise(4, 50)
IDS = list(range(0, 1500, 3))
WORDS = ",".join(map(str, IDS))


@pytest.fixture(autouse=True)
def _grammars(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.runner, "compile", id_sets(runtime.model.vocabulary_size))


def answers(runtime: Runtime, *asked: dict[str, object]) -> list[list[int]]:
    session = Session(runtime)
    for number, fields in enumerate(asked):
        values = {"prompt": PROMPT, "count": 40} | fields
        session.submit(submission(number, **values))
    return list(session.finish().values())


@pytest.mark.parametrize("length", [2, 20, 127, 128, 129, 300])
def test_what_is_forced_is_as_good_as_prompt(runtime: Runtime, length: int) -> None:
    # So many that they do not come again.
    first = answer(runtime, PROMPT, 8)
    forced = noise(length, length)
    after = answer(runtime, [*PROMPT, *first, *forced], 30)
    rules = [Rule(suffix=first, force=forced)]
    asked = {"count": 38 + length, "rules": rules}
    others = [{"prompt": noise(n, 20 + n), "count": 60} for n in range(3)]
    alone = answers(runtime, asked)[0]
    assert alone == [*first, *forced, *after]
    assert answers(runtime, *others, asked)[-1] == alone


def test_an_opening_is_as_good_as_prompt(runtime: Runtime) -> None:
    opening = noise(1, 10)
    rules = [Rule(suffix=[], force=opening)]
    assert answers(runtime, {"rules": rules, "count": 30}) == [
        [*opening, *answer(runtime, [*PROMPT, *opening], 20)]
    ]


def test_greedy_within_a_grammar_takes_the_likeliest_that_is_allowed(runtime: Runtime) -> None:
    rules = [Rule(suffix=[], grammar=alphabet(f"{WORDS} 40 40", 1501))]
    others = set(range(runtime.model.vocabulary_size)).difference(IDS)
    biased = msgspec.structs.replace(GREEDY, logit_bias=dict.fromkeys(others, -10_000.0))
    assert answers(runtime, {"rules": rules}) == [answer(runtime, PROMPT, 40, biased)]


@pytest.mark.parametrize(
    "sampler",
    [FREE, msgspec.structs.replace(FREE, mirostat=2, repeat_penalty=1.3)],
    ids=["free", "mirostat"],
)
def test_a_seed_repeats_itself_within_a_grammar(runtime: Runtime, sampler: SamplerOptions) -> None:
    asked = {
        "sampler": sampler,
        "rules": [Rule(suffix=[], grammar=alphabet(f"{WORDS} 20 20", 1501))],
    }
    others = [{"prompt": noise(n, 20 + n), "sampler": FREE} for n in range(3)]
    alone = answers(runtime, asked)[0]
    assert set(alone[:20]) <= set(IDS)
    assert alone[20] == 1501
    assert answers(runtime, *others, asked)[-1] == alone


def test_no_answer_is_shorter_than_its_minimum(runtime: Runtime, chats: list[list[int]]) -> None:
    stops = runtime.loaded.end_ids
    asked = {"prompt": chats[0], "count": 300, "stop_ids": stops}
    short = answers(runtime, asked)[0]
    assert short[-1] in stops
    longer = answers(runtime, asked | {"minimum": Minimum(tokens=len(short) + 20, after=[])})[0]
    assert longer[: len(short) - 1] == short[:-1]
    assert not set(longer[: len(short) + 20]).intersection(stops)


def test_where_nothing_is_allowed_the_request_fails_alone(runtime: Runtime) -> None:
    session = Session(runtime)
    session.submit(submission(1, PROMPT, 40, rules=[Rule(suffix=[], grammar=alphabet("7 3 9", 7))]))
    session.submit(submission(2, PROMPT, 20))
    tokens = session.finish()
    assert (session.ended[1].reason, tokens[1]) == ("invalid", [])
    assert "loosen the schema" in session.ended[1].message
    assert tokens[2] == answer(runtime, PROMPT, 20)
