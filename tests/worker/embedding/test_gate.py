import pytest

from server.worker.embedding.gate import EmbeddingGate, EmbeddingLimits
from server.worker.messages import Accepted, Refused
from tests.worker.embedding.fake_embedder import embed

LIMITS = EmbeddingLimits(queue_limit=1, vocabulary_size=100, width=8, text_bytes=10)


def test_so_many_may_be_inside() -> None:
    gate = EmbeddingGate(LIMITS)
    assert gate.enter(embed(1, "a")) == Accepted(id=1)
    assert gate.enter(embed(2, "a")) == Accepted(id=2)
    refused = gate.enter(embed(3, "a"))
    assert isinstance(refused, Refused)
    assert (refused.id, refused.kind) == (3, "busy")
    assert refused.retry_after
    gate.leave(1)
    gate.leave(1)
    assert gate.enter(embed(3, "a")) == Accepted(id=3)


def test_an_id_is_used_once_at_a_time() -> None:
    gate = EmbeddingGate(LIMITS)
    gate.enter(embed(1, "a"))
    refused = gate.enter(embed(1, "a"))
    assert isinstance(refused, Refused)
    assert "running already" in refused.message


@pytest.mark.parametrize(
    ("inputs", "more", "kind", "words"),
    [
        ([], {}, "invalid", "nothing to embed"),
        (["a", "x" * 11], {}, "context_too_long", "input[1] has 11 bytes"),
        (["é" * 6], {}, "context_too_long", "input[0] has 12 bytes"),
        ([[1, 100]], {}, "invalid", "input[0] holds the token 100; this model's end at 99"),
        (["a", [-1]], {}, "invalid", "input[1] holds the token -1"),
        (["a"], {"width": 9}, "invalid", "have 8 numbers"),
        (["a"], {"width": 0}, "invalid", "have 8 numbers"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    inputs: list[str | list[int]], more: dict[str, object], kind: str, words: str
) -> None:
    gate = EmbeddingGate(LIMITS)
    refused = gate.enter(embed(1, *inputs, **more))
    assert isinstance(refused, Refused)
    assert refused.kind == kind
    assert words in refused.message
    # It never was inside.
    assert gate.enter(embed(1, "a")) == Accepted(id=1)


def test_what_may_be_cut_is_let_in() -> None:
    assert EmbeddingGate(LIMITS).enter(embed(1, "x" * 11, truncate=True)) == Accepted(id=1)
