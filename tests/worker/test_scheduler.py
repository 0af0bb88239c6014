from dataclasses import dataclass

from server.worker.messages import Accepted, Refused
from tests.worker.fake_runner import Desk, answer


def prompt_of(request: int, length: int) -> list[int]:
    return [(request * 37 + place * 11) % 900 for place in range(length)]


@dataclass(frozen=True)
class Ask:
    prompt: list[int]
    count: int


ASKS = {n: Ask(prompt_of(n, 1 + n * 23), 3 + (n * 7) % 20) for n in range(10)}


def test_ten_requests_over_four_slots_are_answered_as_if_alone() -> None:
    desk = Desk(slots=4)
    for request, ask in ASKS.items():
        assert desk.submit(request, ask.prompt, ask.count) == Accepted(id=request)
    desk.finish()
    assert desk.tokens == {n: answer(ask.prompt, ask.count) for n, ask in ASKS.items()}
    assert {end.reason for end in desk.ended.values()} == {"length"}
    assert max(len(batch.spans) for batch in desk.runner.batches) == 4


def test_a_stop_id_is_the_last_token() -> None:
    desk = Desk()
    expected = answer([1, 2, 3], 10)
    desk.submit(1, [1, 2, 3], 10, stop_ids=[expected[3]])
    desk.finish()
    assert desk.tokens[1] == expected[:4]
    assert desk.ended[1].reason == "stop"


def test_a_stop_id_as_the_last_allowed_token_is_a_stop() -> None:
    desk = Desk()
    expected = answer([5], 2)
    desk.submit(1, [5], 2, stop_ids=[expected[1]])
    desk.finish()
    assert desk.ended[1].reason == "stop"


def test_running_streams_get_a_token_in_every_step_while_a_prompt_is_computed() -> None:
    desk = Desk(batch_tokens=64)
    desk.submit(1, [1], 30)
    desk.step()
    desk.submit(2, prompt_of(2, 200), 1)
    while 2 not in desk.ended:
        before = len(desk.tokens[1])
        desk.step()
        assert len(desk.tokens[1]) == before + 1


def test_a_lone_prompt_gets_whole_batches() -> None:
    desk = Desk(batch_tokens=64)
    desk.submit(1, prompt_of(1, 150), 1)
    desk.finish()
    assert [batch.prompt_tokens for batch in desk.runner.batches] == [64, 64, 22]


def test_the_shortest_prompt_is_computed_first() -> None:
    desk = Desk(batch_tokens=64)
    desk.submit(1, prompt_of(1, 300), 1)
    desk.submit(2, prompt_of(2, 40), 1)
    desk.step()
    assert desk.tokens.keys() == {2}
    desk.finish()
    assert desk.tokens == {1: answer(prompt_of(1, 300), 1), 2: answer(prompt_of(2, 40), 1)}


def test_waiting_requests_are_admitted_in_order() -> None:
    desk = Desk(slots=1)
    for request in (3, 1, 2):
        desk.submit(request, [request], 2)
    desk.finish()
    assert list(desk.ended) == [3, 1, 2]


def test_logprobs_are_passed_on_where_asked() -> None:
    desk = Desk()
    desk.submit(1, [1], 1, top_logprobs=1)
    desk.submit(2, [1], 1)
    desk.scheduler.advance(batch := desk.scheduler.plan(), desk.runner.run(batch))
    with_logprob, without = desk.scheduler.report().tokens
    assert (with_logprob.logprob, with_logprob.top) == (-1.0, [(with_logprob.token, -1.0)])
    assert (without.logprob, without.top) == (None, [])


# --- cancelling ----------------------------------------------------------------------------------


def test_cancel_in_the_queue() -> None:
    desk = Desk(slots=1)
    desk.submit(1, [1], 3)
    desk.submit(2, [2], 3)
    desk.step()
    desk.scheduler.cancel(2)
    desk.finish()
    assert desk.ended[2].reason == "cancelled"
    assert 2 not in desk.tokens
    assert desk.tokens[1] == answer([1], 3)


def test_cancel_in_the_prompt() -> None:
    desk = Desk(slots=2, batch_tokens=16)
    desk.submit(1, prompt_of(1, 100), 3)
    desk.step()
    desk.scheduler.cancel(1)
    assert desk.scheduler.idle
    desk.finish()
    assert desk.ended[1].reason == "cancelled"
    assert 1 not in desk.tokens


def test_cancel_while_generating_leaves_the_others_alone() -> None:
    desk = Desk()
    desk.submit(1, [1], 50)
    desk.submit(2, [2], 10)
    for _ in range(4):
        desk.step()
    desk.scheduler.cancel(1)
    desk.finish()
    assert desk.ended[1].reason == "cancelled"
    assert desk.tokens == {1: answer([1], 4), 2: answer([2], 10)}


def test_cancelling_what_is_unknown_or_over_does_nothing() -> None:
    desk = Desk()
    desk.submit(1, [1], 1)
    desk.finish()
    desk.scheduler.cancel(1)
    desk.scheduler.cancel(99)
    assert desk.scheduler.report() is None


def test_an_id_can_be_used_again_after_its_end_but_not_before() -> None:
    desk = Desk()
    desk.submit(1, [1], 5)
    refused = desk.submit(1, [2], 5)
    assert isinstance(refused, Refused)
    assert refused.kind == "invalid"
    desk.finish()
    assert desk.submit(1, [2], 5) == Accepted(id=1)


# --- failing -------------------------------------------------------------------------------------


def test_only_the_request_that_fails_alone_is_ended() -> None:
    desk = Desk()
    desk.runner.poison = {999}
    desk.submit(1, [1, 2], 6)
    desk.submit(2, [3, 999, 4], 6)
    desk.submit(3, [5], 6)
    desk.finish()
    assert desk.ended[2].reason == "failed"
    assert desk.ended[2].message == "the batch was bad"
    assert desk.tokens == {1: answer([1, 2], 6), 3: answer([5], 6)}


def test_a_request_that_turns_bad_while_generating_fails_alone() -> None:
    desk = Desk()
    bad = answer([7], 4)
    desk.runner.poison = {bad[2]}
    desk.submit(1, [7], 10)
    desk.submit(2, [1, 1], 10)
    desk.finish()
    assert desk.tokens == {1: bad[:3], 2: answer([1, 1], 10)}
    assert desk.ended[1].reason == "failed"


def test_a_failure_that_does_not_repeat_costs_nobody_the_answer() -> None:
    desk = Desk(batch_tokens=16)
    for request, ask in ASKS.items():
        desk.submit(request, ask.prompt, ask.count)
    for _ in range(6):
        desk.step()
    desk.runner.broken = 1
    desk.finish()
    assert desk.tokens == {n: answer(ask.prompt, ask.count) for n, ask in ASKS.items()}


def test_a_rewound_batch_is_computed_again() -> None:
    desk = Desk()
    desk.submit(1, [1, 2, 3], 4)
    batch = desk.scheduler.plan()
    desk.runner.run(batch)
    desk.scheduler.rewind(batch)
    desk.finish()
    assert desk.tokens[1] == answer([1, 2, 3], 4)


def test_abandoning_a_batch_ends_its_requests_and_no_others() -> None:
    desk = Desk(slots=2)
    for request in (1, 2, 3):
        desk.submit(request, [request], 3)
    desk.scheduler.abandon(desk.scheduler.plan(), "out of luck")
    desk.finish()
    assert {n: end.reason for n, end in desk.ended.items()} == {
        1: "failed",
        2: "failed",
        3: "length",
    }
    assert desk.ended[1].message == "out of luck"


def test_abandoning_everything_ends_the_waiting_too() -> None:
    desk = Desk(slots=1)
    for request in (1, 2):
        desk.submit(request, [request], 3)
    desk.step()
    desk.scheduler.abandon(None, "closed")
    desk.finish()
    assert {end.reason for end in desk.ended.values()} == {"failed"}
    assert desk.ended.keys() == {1, 2}


# --- the queue -----------------------------------------------------------------------------------


def test_the_queue_is_bounded_and_says_when_to_come_back() -> None:
    desk = Desk(slots=2, queue_limit=1)
    desk.runner.seconds = lambda _streams, _prompt: 4.0
    desk.submit(0, [1], 2)
    desk.finish()
    for request in (1, 2, 3):
        assert isinstance(desk.submit(request, [request], 2), Accepted)
    refused = desk.submit(4, [4], 2)
    assert isinstance(refused, Refused)
    assert (refused.kind, refused.retry_after) == ("busy", 8.0)
    assert "answering 2 requests and 1 more waits," in refused.message
    assert "try again in 8 s" in refused.message
    desk.finish()
    assert 4 not in desk.ended
    assert isinstance(desk.submit(4, [4], 2), Accepted)


def test_without_a_queue_free_slots_are_still_taken() -> None:
    desk = Desk(slots=2, queue_limit=0)
    kinds = [type(desk.submit(request, [1], 2)) for request in range(3)]
    assert kinds == [Accepted, Accepted, Refused]


def test_reports_count_who_runs_and_who_waits() -> None:
    desk = Desk(slots=2)
    for request in range(5):
        desk.submit(request, [request], 3)
    batch = desk.scheduler.plan()
    desk.scheduler.advance(batch, desk.runner.run(batch))
    step = desk.scheduler.report()
    assert (step.running, step.waiting) == (2, 3)
    assert not desk.scheduler.has_ended


def test_timings_tell_queue_prompt_and_generation_apart() -> None:
    desk = Desk(slots=1, batch_tokens=10)
    desk.runner.seconds = lambda _streams, prompt: 2.0 if prompt else 1.0
    desk.submit(1, [1], 3)
    desk.submit(2, prompt_of(2, 20), 4)
    desk.finish()
    end = desk.ended[2]
    assert (end.queue_s, end.prompt_s, end.generation_s) == (4.0, 4.0, 3.0)
    assert end.cached_tokens == 0
