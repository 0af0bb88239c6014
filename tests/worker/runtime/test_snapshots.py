"""Snapshots continue as if the slot had gone on itself, across slots, restarts and evictions.

Within the sliding window the numbers are the same bit for bit. Beyond it a restored slot has its
cells in another order, and sums in another order differ in their last bits: there the model without
rounding is compared, within a tolerance that any wrong or missing cell exceeds.
"""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.worker.messages import Token
from server.worker.ports import Batch, Sample, Span
from server.worker.prefix_store import PrefixStore
from server.worker.runtime.fingerprint import fingerprint
from server.worker.runtime.load import Runtime
from server.worker.snapshot_files import SnapshotFiles
from tests.worker.fake_runner import GREEDY, submission
from tests.worker.runtime.conftest import TINY
from tests.worker.runtime.session import Session

ALL = 1557
TOP = 20
WINDOW = 128
TOLERANCE = 0.01


def noise(seed: int, length: int) -> list[int]:
    """Tokens without sense: the model is unsure after them, so the least difference shows."""
    return random.Random(seed).choices(range(1500), k=length)


def compute(
    runtime: Runtime, slot: int, tokens: list[int], start: int = 0, step: int = 200
) -> Sample:
    """Compute tokens from `start` on; the sample after the last, with all logprobs."""
    for begin in range(start, len(tokens), step):
        end = min(begin + step, len(tokens))
        span = Span(slot, begin, tokens[begin:end], end == len(tokens), ALL)
        logits = runtime.runner.run(Batch([span], 0, end - begin))
    return logits.draw(0)


def difference(first: Sample, second: Sample) -> float:
    """The largest between two samples' logprobs of a token."""
    others = dict(second.top)
    return max(abs(logprob - others[token]) for token, logprob in first.top)


@pytest.fixture
def slots(runtime: Runtime, exact: Runtime) -> Iterator[None]:
    for each in (runtime, exact):
        for slot in range(3):
            each.runner.occupy(slot, GREEDY)
    yield
    for each in (runtime, exact):
        for slot in range(3):
            each.runner.release(slot)
            each.runner.rewind(slot)


@pytest.mark.usefixtures("slots")
@pytest.mark.parametrize("length", [1, 20, WINDOW - 1, WINDOW])
def test_within_the_window_what_follows_is_the_same_bit_for_bit(
    runtime: Runtime, length: int
) -> None:
    tokens = noise(length, length)
    compute(runtime, 0, tokens)
    data = runtime.runner.snapshot(0)
    assert len(data) == runtime.runner.snapshot_bytes(0)
    longer = [*tokens, *noise(1, 100)]
    expected = compute(runtime, 0, longer, length)
    # Also after the source has moved on, and from bytes that may not be written to.
    for slot in (1, 2):
        assert runtime.runner.restore(slot, memoryview(bytes(data)))
        assert compute(runtime, slot, longer, length) == expected


@pytest.mark.usefixtures("slots")
@pytest.mark.parametrize("length", [WINDOW + 1, 300, 333, 411, 700])
@pytest.mark.parametrize("more", [1, 30, WINDOW + 1, WINDOW + 2, 230])
def test_beyond_the_window_what_follows_is_the_same(exact: Runtime, length: int, more: int) -> None:
    # The longer ones take llama.cpp several units, of which the later must not disturb the first.
    tokens = noise(length, length)
    longer = [*tokens, *noise(1, more)]
    compute(exact, 0, tokens)
    assert exact.runner.restore(1, exact.runner.snapshot(0))
    expected = compute(exact, 0, longer, length)
    assert difference(compute(exact, 1, longer, length), expected) < TOLERANCE


@pytest.mark.usefixtures("slots")
@pytest.mark.parametrize("length", [300, 411])
def test_in_company_what_follows_is_the_same(exact: Runtime, length: int) -> None:
    tokens = noise(length, length)
    longer = [*tokens, *noise(1, 90)]
    compute(exact, 0, tokens)
    assert exact.runner.restore(1, exact.runner.snapshot(0))
    expected = compute(exact, 0, longer, length)
    other = noise(7, 200)
    compute(exact, 2, other)
    # A few tokens of the restored slot, beside a stream in the one slot and a prompt in the other.
    exact.runner.rewind(0)
    for begin in range(0, 90, 30):
        place = length + begin
        spans = [
            Span(0, 50 * begin // 30, other[:50], False),
            Span(1, place, longer[place : place + 30], begin == 60, ALL),
            Span(2, len(other) + begin // 30, [5], True),
        ]
        logits = exact.runner.run(Batch(spans, 1, 80))
    assert difference(logits.draw(0), expected) < TOLERANCE


@pytest.mark.usefixtures("slots")
@pytest.mark.parametrize("length", [2, 50, WINDOW, WINDOW + 1, WINDOW + 2, 300, 700])
def test_a_restored_slot_can_forget_its_last_token(exact: Runtime, length: int) -> None:
    tokens = noise(length, length)
    expected = compute(exact, 0, tokens)
    assert exact.runner.restore(1, exact.runner.snapshot(0))
    assert exact.runner.trim(1, length - 1)
    assert difference(compute(exact, 1, tokens, length - 1), expected) < TOLERANCE


@pytest.mark.usefixtures("slots")
@pytest.mark.parametrize("length", [WINDOW + 1, 300, 700])
def test_what_the_window_has_left_behind_cannot_be_trimmed_to(
    runtime: Runtime, length: int
) -> None:
    tokens = noise(length, length)
    compute(runtime, 0, tokens)
    assert runtime.runner.restore(1, runtime.runner.snapshot(0))
    assert not runtime.runner.trim(1, length - 2)
    assert not runtime.runner.trim(1, length // 2)


@pytest.mark.usefixtures("slots")
@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda _: b"x" * 5000])
def test_what_is_no_snapshot_is_refused_and_the_slot_can_be_used_again(
    runtime: Runtime, spoil: Callable[[bytes], bytes]
) -> None:
    tokens = noise(5, 300)
    expected = compute(runtime, 0, tokens)
    assert not runtime.runner.restore(1, spoil(bytes(runtime.runner.snapshot(0))))
    runtime.runner.rewind(1)
    assert compute(runtime, 1, tokens) == expected


# --- conversations -------------------------------------------------------------------------------

SHARED = [noise(seed, length) for seed, length in ((101, 40), (102, 150), (103, 260))]
TURN = st.tuples(st.integers(0, 5), st.integers(1, 60))
CHAT = st.tuples(st.integers(0, len(SHARED) - 1), st.lists(TURN, min_size=1, max_size=3))
EVENTS = st.sampled_from(["nothing", "nothing", "restart", "evict", "together"])


def replies(session: Session, prompts: dict[int, list[int]], head: int) -> dict[int, list[Token]]:
    for request, prompt in prompts.items():
        session.submit(submission(request, prompt, 6, boundaries=[head], top_logprobs=TOP))
    session.finish()
    return {request: session.tokens[request] for request in prompts}


def check_same(told: list[Token], expected: list[Token]) -> None:
    """The same tokens and logprobs, but where two tokens are equally likely."""
    for ours, theirs in zip(told, expected, strict=True):
        ours_top, theirs_top = dict(ours.top), dict(theirs.top)
        for token in ours_top.keys() & theirs_top.keys():
            assert abs(ours_top[token] - theirs_top[token]) < TOLERANCE
        if ours.token != theirs.token:
            assert abs(theirs_top[ours.token] - theirs_top[theirs.token]) < TOLERANCE
            return


class Kept:
    """A store over real files that can be restarted, with little memory."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime, self.folder = runtime, folder
        self.warnings: list[str] = []
        self.open()

    def open(self) -> None:
        folder, warn = self.folder, self.warnings.append
        self.shelf = SnapshotFiles(folder, self.runtime.fingerprint, 1_000_000, warn)
        self.session = Session(self.runtime, store=PrefixStore(400_000, self.shelf))

    def disturb(self, event: str) -> None:
        if event == "restart":
            self.shelf.close()
            self.open()
        elif event == "evict":
            while self.session.store._evict_memory():
                pass


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(CHAT, EVENTS), min_size=2, max_size=5), st.randoms())
def test_conversations_go_as_if_nothing_were_kept(
    exact: Runtime,
    another: Runtime,
    tmp_path_factory: pytest.TempPathFactory,
    chats: list[tuple[tuple[int, list[tuple[int, int]]], str]],
    luck: random.Random,
) -> None:
    kept = Kept(exact, tmp_path_factory.mktemp("kept"))
    request = 0
    for (shared, turns), event in chats:
        head = len(SHARED[shared])
        prompt = list(SHARED[shared])
        for seed, length in turns:
            prompt = prompt + noise(seed, length)
            # The same prompt twice at once, beside another that begins the same.
            others = [prompt, prompt[: head + 5] + noise(9, 10)] if event == "together" else []
            prompts = {request + n: each for n, each in enumerate([prompt, *others])}
            luck.shuffle(order := list(prompts))
            told = replies(kept.session, {n: prompts[n] for n in order}, head)
            bare = Session(another)
            for number, each in prompts.items():
                (expected,) = replies(bare, {number: each}, head).values()
                check_same(told[number], expected)
            request += len(prompts)
            kept.disturb(event)
            prompt += [token.token for token in told[min(told)]][:-2]
    kept.shelf.close()
    assert kept.warnings == []


def test_the_second_turn_has_the_first_prompt_cached(runtime: Runtime, tmp_path: Path) -> None:
    kept = Kept(runtime, tmp_path)
    first, second = noise(1, 300), noise(2, 40)
    replies(kept.session, {1: first}, 200)
    kept.disturb("restart")
    replies(kept.session, {2: first + second}, 200)
    assert kept.session.ended[2].cached_tokens == 300
    kept.shelf.close()


def test_the_fingerprint_tells_models_and_ways_to_compute_apart(tmp_path: Path) -> None:
    copy = tmp_path / "model.gguf"
    data = TINY.read_bytes()
    copy.write_bytes(data)
    first = fingerprint(str(copy), 0, True)
    assert len(first) == 32
    assert fingerprint(str(copy), 0, True) == first
    assert fingerprint(str(copy), 0, False) != first
    copy.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert fingerprint(str(copy), 0, True) != first


def test_the_fingerprint_of_a_split_model_covers_all_parts(tmp_path: Path) -> None:
    for name in ("m-00001-of-00002.gguf", "m-00002-of-00002.gguf", "other-00001-of-00002.gguf"):
        (tmp_path / name).write_text(name)
    first = fingerprint(str(tmp_path / "m-00001-of-00002.gguf"))
    (tmp_path / "other-00001-of-00002.gguf").write_text("changed")
    assert fingerprint(str(tmp_path / "m-00001-of-00002.gguf")) == first
    (tmp_path / "m-00002-of-00002.gguf").write_text("changed")
    assert fingerprint(str(tmp_path / "m-00001-of-00002.gguf")) != first
