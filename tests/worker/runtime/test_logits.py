"""Drawing within bounds, from rows that are made up."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from server.worker.messages import SamplerOptions
from server.worker.ports import Bounds, NothingAllowed, Span
from server.worker.runtime import library
from server.worker.runtime.logits import Rows
from server.worker.runtime.sampler import Candidates, Chain
from tests.worker.fake_runner import GREEDY
from tests.worker.runtime.id_set import IdSet

SIZE = 12
LOGITS = np.array([2.0, 1.9, 1.8, 1.0, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0, -1.0, -2.0], np.float32)
FREE = msgspec.structs.replace(GREEDY, temperature=1.0, seed=7)
STOP = 0


def bounds(ids: str = "2,4,6,8", *, stops: tuple[int, ...] = (STOP,), may_stop: bool = False):
    return Bounds(IdSet(f"{ids} 0 100", SIZE), frozenset(stops), may_stop)


@contextmanager
def chain(options: SamplerOptions) -> Iterator[Chain]:
    chain = Chain(options, Candidates(SIZE), None, 100)
    yield chain
    chain.close()


def rows(*chains: Chain, logits: NDArray[np.float32] = LOGITS, top: int | None = None) -> Rows:
    count = max(len(chains), 1)
    spans = [Span(slot, 0, [1], True, top) for slot in range(count)]
    table = np.tile(logits, (count, 1))
    return Rows(table, table.argmax(axis=1).tolist(), spans, dict(enumerate(chains)))


def tokens(chain: Chain, bounds: Bounds | None, count: int) -> list[int]:
    return [rows(chain).draw(0, bounds).token for _ in range(count)]


def test_the_likeliest_that_is_allowed() -> None:
    assert rows().draw(0).token == 0
    assert rows().draw(0, bounds()).token == 2
    assert rows().draw(0, bounds(may_stop=True)).token == STOP
    assert rows().draw(0, Bounds(None, frozenset([0, 1]), False)).token == 2


def test_a_mask_is_not_asked_for_while_nothing_is_refused() -> None:
    asked = bounds("0,1,2", stops=(11,))
    assert rows().draw(0, asked).token == 0
    with chain(FREE) as free:
        for _ in range(20):
            if rows(free).draw(0, asked).token > 2:
                pytest.fail("not allowed")
    assert asked.matcher.masks > 0
    only_one = bounds("0,1,2,3,4,5,6,7,8,9,10", stops=(11,))
    with chain(msgspec.structs.replace(FREE, top_k=3)) as free:
        tokens(free, only_one, 50)
    assert only_one.matcher.masks == 0


def test_logprobs_are_the_models_own() -> None:
    whole = rows(top=3).draw(0)
    bounded = rows(top=3).draw(0, bounds())
    assert bounded.top == whole.top
    assert bounded.logprob == pytest.approx(whole.logprob + LOGITS[2] - LOGITS[0])


def test_where_nothing_is_allowed_it_says_so() -> None:
    with pytest.raises(NothingAllowed, match="loosen the schema"):
        rows().draw(0, Bounds(IdSet("5 3 3", SIZE), frozenset([5]), False))


def test_too_short_to_stop_but_without_another_way_it_stops() -> None:
    matcher = IdSet("5 0 0", SIZE)
    assert rows().draw(0, Bounds(matcher, frozenset([7, 8]), False)).token == 7


def test_drawing_within_bounds_has_the_distribution_of_what_is_allowed() -> None:
    count = 6000
    with chain(FREE) as free:
        drawn = Counter(tokens(free, bounds(), count))
    weights = {token: np.exp(LOGITS[token]) for token in (2, 4, 6, 8)}
    assert drawn.keys() == weights.keys()
    for token, weight in weights.items():
        share = weight / sum(weights.values())
        # Four standard deviations.
        assert abs(drawn[token] / count - share) < 4 * (share * (1 - share) / count) ** 0.5


def test_a_seed_repeats_itself_within_bounds_alone_and_in_company() -> None:
    with chain(FREE) as first, chain(FREE) as second, chain(FREE) as other:
        alone = tokens(first, bounds(), 50)
        company = []
        for _ in range(50):
            both = rows(other, second)
            both.draw(0, bounds("1,3"))
            company.append(both.draw(1, bounds()).token)
    assert alone == company
    assert len(set(alone)) > 2


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_penalties_do_not_count_what_was_refused(temperature: float) -> None:
    options = msgspec.structs.replace(
        FREE, temperature=temperature, top_k=1, presence_penalty=100.0, repeat_last_n=-1
    )
    with chain(options) as strict:
        assert rows(strict).draw(0, bounds()).token == 2
        assert rows(strict).draw(0).token == 0
        assert rows(strict).draw(0).token == 1
        assert rows(strict).draw(0).token == 3


@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_learns_only_from_what_it_drew(version: int) -> None:
    options = msgspec.structs.replace(FREE, mirostat=version, mirostat_tau=2.0, mirostat_eta=0.5)
    allowed = np.array([2, 4, 6, 8])
    with chain(options) as bounded, chain(options) as narrow:
        drawn = tokens(bounded, bounds(), 40)
        assert drawn == [narrow.pick(LOGITS, allowed) for _ in range(40)]
    assert len(set(drawn)) > 1


def test_a_bias_holds_within_bounds(log: library.Log) -> None:
    assert log is not None
    options = msgspec.structs.replace(GREEDY, logit_bias={8: 5.0, 1: 9.0})
    with chain(options) as biased:
        assert tokens(biased, None, 1) == [1]
        assert tokens(biased, bounds(), 1) == [8]
