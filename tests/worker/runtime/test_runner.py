import msgspec
import numpy as np
import pytest

from server.worker.ports import Batch, DecodeFailed, DecodeInterrupted, Span
from server.worker.runtime.batch import BatchArrays, decodes
from server.worker.runtime.load import Runtime
from server.worker.runtime.logprobs import likeliest, log_softmax
from tests.worker.fake_runner import GREEDY


@pytest.fixture
def slot(runtime: Runtime) -> int:
    runtime.runner.occupy(0, GREEDY)
    yield 0
    runtime.runner.release(0)
    runtime.runner.rewind(0)


def prompt(slot: int, tokens: list[int]) -> Batch:
    return Batch([Span(slot, 0, tokens, True)], 0, len(tokens))


def test_an_interruption_ends_the_computation_and_is_taken_back(
    runtime: Runtime, slot: int
) -> None:
    runner = runtime.runner
    expected = runner.run(prompt(slot, [5] * 100)).draw(0)
    runner.rewind(slot)
    runner.interrupt()
    with pytest.raises(DecodeInterrupted):
        runner.run(prompt(slot, [5] * 100))
    runner.resume()
    runner.rewind(slot)
    assert runner.run(prompt(slot, [5] * 100)).draw(0) == expected


def test_a_token_at_a_wrong_position_fails(runtime: Runtime, slot: int) -> None:
    runtime.runner.run(prompt(slot, [1, 2, 3]))
    with pytest.raises(DecodeFailed, match=r"the batch was invalid \(-1\)"):
        runtime.runner.run(Batch([Span(slot, 7, [4], True)], 1, 0))


def test_more_tokens_than_the_slot_holds_fail(runtime: Runtime, slot: int) -> None:
    for start in range(0, 1024, 256):
        runtime.runner.run(Batch([Span(slot, start, [1] * 256, True)], 0, 256))
    with pytest.raises(DecodeFailed, match=r"no room for the batch in the KV cache \(1\)"):
        runtime.runner.run(Batch([Span(slot, 1024, [1], True)], 1, 0))


def test_logits_that_are_no_numbers_fail(
    runtime: Runtime, slot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.zeros((1, runtime.model.vocabulary_size), np.float32)
    rows[0, 3] = np.nan
    monkeypatch.setattr(runtime.runner, "_logits", lambda _count: rows)
    with pytest.raises(DecodeFailed, match="not a number"):
        runtime.runner.run(prompt(slot, [1]))


def test_a_slot_can_be_released_twice(runtime: Runtime) -> None:
    runtime.runner.occupy(1, msgspec.structs.replace(GREEDY, temperature=1.0))
    runtime.runner.release(1)
    runtime.runner.release(1)


def test_spans_become_a_batch() -> None:
    arrays = BatchArrays(16)
    spans = [Span(1, 4, [7], True), Span(3, 0, [8, 9, 10], False), Span(4, 2, [11, 12], True)]
    assert arrays.fill(Batch(spans, 1, 5)) == [0, 5]
    batch = arrays.batch
    assert batch.n_tokens == 6
    assert batch.token[:6] == [7, 8, 9, 10, 11, 12]
    assert batch.pos[:6] == [4, 0, 1, 2, 2, 3]
    assert [batch.seq_id[i][0] for i in range(6)] == [1, 3, 3, 3, 4, 4]
    assert batch.n_seq_id[:6] == [1] * 6
    assert batch.logits[:6] == [1, 0, 0, 0, 0, 1]


def test_streams_become_a_batch() -> None:
    arrays = BatchArrays(16)
    arrays.fill(Batch([Span(0, 0, [1, 2, 3, 4], False)], 0, 4))
    assert arrays.fill(Batch([Span(0, 4, [5], True), Span(2, 9, [6], True)], 2, 0)) == [0, 1]
    batch = arrays.batch
    assert batch.n_tokens == 2
    assert (batch.token[:2], batch.pos[:2]) == ([5, 6], [4, 9])
    assert [batch.seq_id[i][0] for i in range(2)] == [0, 2]
    assert batch.logits[:2] == [1, 1]


def test_likeliest_are_ordered_and_ties_go_to_the_lower_id() -> None:
    logprobs = log_softmax(np.array([1.0, 3.0, 2.0, 3.0, -1e30], np.float32))
    assert [token for token, _ in likeliest(logprobs, 3)] == [1, 3, 2]
    assert likeliest(logprobs, 0) == []
    assert len(likeliest(logprobs, 99)) == 5
    assert np.exp(logprobs).sum() == pytest.approx(1.0)


def parts(batch: Batch, unit: int) -> list[list[tuple[int, int, int, bool]]]:
    return [
        [(span.slot, span.start, len(span.tokens), span.samples) for span in part.spans]
        for part in decodes(batch, unit)
    ]


def test_no_slot_is_computed_in_several_units_of_one_decode() -> None:
    prompt, stream = [1] * 10, Span(2, 30, [5], True)
    assert parts(Batch([stream, Span(3, 7, [6], True)], 2, 0), 4) == [
        [(2, 30, 1, True), (3, 7, 1, True)]
    ]
    # Alone the last unit is computed whole, in company its last token joins the streams.
    assert parts(Batch([Span(0, 5, prompt, True)], 0, 10), 4) == [
        [(0, 5, 4, False)],
        [(0, 9, 4, False)],
        [(0, 13, 2, True)],
    ]
    assert parts(Batch([Span(0, 5, prompt, True), stream], 1, 10), 8) == [
        [(0, 5, 8, False)],
        [(0, 13, 1, False)],
        [(0, 14, 1, True), (2, 30, 1, True)],
    ]
    assert parts(Batch([Span(0, 5, prompt, False), Span(1, 0, [7], True)], 0, 11), 16) == [
        [(0, 5, 10, False)],
        [(1, 0, 1, True)],
    ]


@pytest.mark.parametrize("count", [1, 7, 8, 9, 30])
def test_every_token_is_computed_once_and_in_order(count: int) -> None:
    spans = [Span(0, 3, list(range(count)), True), Span(1, 0, list(range(50, 70)), False)]
    for batch in (Batch(spans, 0, count + 20), Batch(spans[:1], 0, count)):
        for span in batch.spans:
            pieces = [p for part in decodes(batch, 8) for p in part.spans if p.slot == span.slot]
            assert [t for piece in pieces for t in piece.tokens] == list(span.tokens)
            places = [piece.start for piece in pieces]
            ends = [piece.start + len(piece.tokens) for piece in pieces]
            assert places == [span.start, *ends[:-1]]
            assert [piece.samples for piece in pieces][:-1] == [False] * (len(pieces) - 1)
            assert pieces[-1].samples is span.samples
