"""What a session remembers of its worker's reports."""

from server.core.errors import ServerError
from server.core.ports import PrefixCounters, SpeculationCounters
from server.engines.session import Session
from server.worker.messages import Step
from tests.worker.fake_runner import submission


def step(**fields: object) -> Step:
    return Step(**({"tokens": [], "ended": [], "running": 1, "waiting": 2} | fields))


def test_counters_stay_until_there_are_newer_ones() -> None:
    session = Session(link=None, card=None, vocabulary=None, text_format=None)
    session.take(step())
    assert (session.prefixes, session.speculation) == (None, None)
    session.take(step(prefixes=PrefixCounters(misses=1)))
    session.take(step(speculation=SpeculationCounters(drafted=8, accepted=5)))
    session.take(step(running=0, waiting=0))
    assert session.prefixes == PrefixCounters(misses=1)
    assert session.speculation == SpeculationCounters(drafted=8, accepted=5)
    assert (session.running, session.waiting) == (0, 0)


async def test_what_is_submitted_when_the_worker_is_gone_ends_too() -> None:
    session = Session(link=None, card=None, vocabulary=None, text_format=None)
    gone = ServerError("engine_failed", "gone")
    session.fail(gone)
    assert await session.submit(submission(1, [1])).take() == [gone]
