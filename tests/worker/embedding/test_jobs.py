"""Every request gets the vectors of its own inputs, in batches that keep their limits."""

from hypothesis import given
from hypothesis import strategies as st

from server.worker.embedding.jobs import Jobs
from server.worker.embedding.messages import Embed, Embedded
from server.worker.messages import Refused
from tests.worker.embedding.fake_embedder import (
    END,
    LIMITS,
    FakeEmbedder,
    embed,
    tokens_of,
    vector_of,
)

FITTING = LIMITS.context_length - 1
texts = st.text("abcdé中", min_size=1, max_size=FITTING)
token_lists = st.lists(st.integers(1, 1000), min_size=1, max_size=LIMITS.context_length)
requests = st.lists(
    st.tuples(
        st.lists(st.one_of(texts, token_lists), min_size=1, max_size=9),
        st.one_of(st.none(), st.integers(1, LIMITS.width)),
    ),
    min_size=1,
    max_size=5,
)


def expected(request: Embed) -> Embedded:
    tokens = [tokens_of(each) if isinstance(each, str) else each for each in request.inputs]
    width = request.width or LIMITS.width
    return Embedded(
        id=request.id,
        vectors=[vector_of(each, width) for each in tokens],
        tokens=[len(each) for each in tokens],
    )


def read_all(jobs: Jobs, size: int = 1000) -> list[Refused]:
    """Read until there is nothing left to read; the refusals."""
    found = [jobs.read(size) for _ in range(200)]
    return [each for each in found if each is not None]


def finish(jobs: Jobs, runner: FakeEmbedder, size: int = 1000) -> list[Embedded | Refused]:
    """Steps until nothing is left."""
    ended: list[Embedded | Refused] = []
    while not jobs.idle:
        if refused := jobs.read(size):
            ended.append(refused)
        if batch := jobs.plan():
            ended += jobs.advance(batch, runner.embed(batch))
    return ended


def submitted(jobs: Jobs, wanted: list[tuple[list[str | list[int]], int | None]]) -> list[Embed]:
    asked = [embed(n, *inputs, width=width) for n, (inputs, width) in enumerate(wanted)]
    for request in asked:
        jobs.submit(request)
    return asked


def check_answers(ended: list[Embedded | Refused], asked: list[Embed]) -> None:
    assert sorted(ended, key=lambda each: each.id) == [expected(request) for request in asked]


@given(requests, st.integers(1, 40))
def test_everybody_gets_the_vectors_of_his_own_inputs(
    wanted: list[tuple[list[str | list[int]], int | None]], size: int
) -> None:
    runner = FakeEmbedder()
    jobs = Jobs(runner, LIMITS)
    asked = submitted(jobs, wanted)
    check_answers(finish(jobs, runner, size), asked)
    for batch in runner.batches:
        assert 1 <= len(batch) <= LIMITS.passages
        assert len(batch) == 1 or sum(len(each.tokens) for each in batch) <= LIMITS.tokens


@given(requests, st.integers(0, 6))
def test_what_was_not_computed_comes_again(
    wanted: list[tuple[list[str | list[int]], int | None]], lost: int
) -> None:
    runner = FakeEmbedder()
    jobs = Jobs(runner, LIMITS)
    asked = submitted(jobs, wanted)
    read_all(jobs)
    for _ in range(lost):
        jobs.rewind(jobs.plan())
    check_answers(finish(jobs, runner), asked)


def test_a_small_request_does_not_wait_for_a_large_one() -> None:
    runner = FakeEmbedder()
    jobs = Jobs(runner, LIMITS)
    jobs.submit(embed(1, *["large"] * 100))
    read_all(jobs)
    jobs.advance(batch := jobs.plan(), runner.embed(batch))
    jobs.submit(embed(2, "small"))
    jobs.read(1000)
    batch = jobs.plan()
    assert {passage.job for passage in batch} == {1, 2}
    assert [each.id for each in jobs.advance(batch, runner.embed(batch))] == [2]


def test_a_long_passage_is_not_passed_by_for_ever() -> None:
    jobs = Jobs(FakeEmbedder(), LIMITS)
    jobs.submit(embed(1, *["ab"] * 100))
    jobs.submit(embed(2, *["cd"] * 100))
    jobs.submit(embed(3, "x" * FITTING))
    read_all(jobs)
    batches = [jobs.plan() for _ in range(3)]
    assert any(passage.job == 3 for batch in batches for passage in batch)


def test_nothing_is_computed_of_a_request_before_all_its_inputs_are_known_to_fit() -> None:
    jobs = Jobs(FakeEmbedder(), LIMITS)
    jobs.submit(embed(1, "abc", "x" * 16))
    assert jobs.read(1) is None
    assert jobs.plan() == []
    assert jobs.read(1) == Refused(
        id=1,
        kind="context_too_long",
        message="input[1] has 17 tokens, and the model reads at most 16; split it, or send"
        ' "truncate": true.',
    )
    assert jobs.idle


def test_an_input_without_a_token_is_refused() -> None:
    jobs = Jobs(FakeEmbedder(), LIMITS)
    for number, given_ in enumerate(["   ", []]):
        jobs.submit(embed(number, "a", given_))
        (refused,) = read_all(jobs)
        assert refused.kind == "invalid"
        assert refused.message.startswith("input[1] is empty")


def test_what_is_too_long_is_cut_when_asked_to() -> None:
    runner = FakeEmbedder()
    jobs = Jobs(runner, LIMITS)
    # The third has more bytes than are read, the last of them half a character.
    long = "a" * 63 + "é" + "b" * 100
    jobs.submit(embed(1, "x" * 40, list(range(1, 41)), long, truncate=True))
    (answer,) = finish(jobs, runner)
    assert isinstance(answer, Embedded)
    assert answer.tokens == [16, 16, 16]
    (batch,) = ([passage.tokens for passage in batch] for batch in runner.batches[:1])
    assert batch[0] == [*[ord("x")] * 15, END]
    passages = [passage.tokens for batch in runner.batches for passage in batch]
    assert list(range(1, 17)) in passages
    assert [*[ord("a")] * 15, END] in passages


def test_removed_requests_are_gone_whatever_their_state() -> None:
    runner = FakeEmbedder()
    jobs = Jobs(runner, LIMITS)
    for number in range(4):
        jobs.submit(embed(number, "abc"))
    jobs.read(1)
    jobs.plan()
    jobs.remove([0, 1, 9])
    assert jobs.ids() != []
    assert {each.id for each in finish(jobs, runner)} == {2, 3}
