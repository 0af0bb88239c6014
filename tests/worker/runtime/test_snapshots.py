"""Snapshots of the tiny model are exact: bit for bit, across slots, restarts and evictions.

Logits are compared as logprobs of the whole vocabulary's likeliest tokens, for equality: on the CPU
they do not depend on how a prompt is cut into batches.
"""

import random
from collections.abc import Callable
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
WINDOW = 128


def noise(seed: int, length: int) -> list[int]:
    """Tokens without sense: the model is unsure after them, so the least difference shows."""
    return random.Random(seed).choices(range(1500), k=length)


def compute(runtime: Runtime, slot: int, tokens: list[int], start: int = 0) -> Sample:
    """Compute tokens from `start` on; the sample after the last, with all logprobs."""
    for begin in range(start, len(tokens), 200):
        end = min(begin + 200, len(tokens))
        span = Span(slot, begin, tokens[begin:end], end == len(tokens), ALL)
        samples = runtime.runner.run(Batch([span], 0, end - begin))
    return samples[0]


@pytest.fixture
def slots(runtime: Runtime) -> range:
    for slot in range(3):
        runtime.runner.occupy(slot, GREEDY)
    yield range(3)
    for slot in range(3):
        runtime.runner.release(slot)


@pytest.mark.parametrize("length", [1, 20, WINDOW - 1, WINDOW, WINDOW + 1, 300, 700])
def test_what_follows_a_restored_snapshot_is_the_same_bit_for_bit(
    runtime: Runtime, slots: range, length: int
) -> None:
    tokens = noise(length, length)
    compute(runtime, 0, tokens)
    data = runtime.runner.snapshot(0)
    assert len(data) == runtime.runner.snapshot_bytes(0)
    longer = [*tokens, *noise(1, 230)]
    expected = compute(runtime, 0, longer, length)
    # Also after the source has moved on, and from bytes that may not be written to.
    for slot in (1, 2):
        assert runtime.runner.restore(slot, memoryview(bytes(data)))
        assert compute(runtime, slot, longer, length) == expected


@pytest.mark.parametrize("length", [2, 50, WINDOW, WINDOW + 1, WINDOW + 2, 300, 700])
def test_a_restored_slot_can_forget_its_last_token(
    runtime: Runtime, slots: range, length: int
) -> None:
    tokens = noise(length, length)
    expected = compute(runtime, 0, tokens)
    assert runtime.runner.restore(1, runtime.runner.snapshot(0))
    assert runtime.runner.trim(1, length - 1)
    assert compute(runtime, 1, tokens, length - 1) == expected


@pytest.mark.parametrize("length", [WINDOW + 1, 300, 700])
def test_what_the_window_has_left_behind_cannot_be_trimmed_to(
    runtime: Runtime, slots: range, length: int
) -> None:
    tokens = noise(length, length)
    compute(runtime, 0, tokens)
    assert runtime.runner.restore(1, runtime.runner.snapshot(0))
    assert not runtime.runner.trim(1, length - 2)
    assert not runtime.runner.trim(1, length // 2)


@pytest.mark.parametrize("spoil", [lambda data: data[: len(data) // 2], lambda _: b"x" * 5000])
def test_what_is_no_snapshot_is_refused_and_the_slot_can_be_used_again(
    runtime: Runtime, slots: range, spoil: Callable[[bytes], bytes]
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
        session.submit(submission(request, prompt, 6, boundaries=[head], top_logprobs=ALL))
    session.finish()
    return {request: session.tokens[request] for request in prompts}


def words(tokens: list[Token]) -> list[tuple[int, float, list[tuple[int, float]]]]:
    return [(token.token, token.logprob, token.top) for token in tokens]


class Kept:
    """A store over real files that can be restarted, with little memory."""

    def __init__(self, runtime: Runtime, folder: Path) -> None:
        self.runtime, self.folder = runtime, folder
        self.warnings: list[str] = []
        self.open()

    def open(self) -> None:
        folder, warn = self.folder, self.warnings.append
        self.shelf = SnapshotFiles(folder, self.runtime.fingerprint, 2_000_000, warn)
        self.session = Session(self.runtime, store=PrefixStore(600_000, self.shelf))

    def disturb(self, event: str) -> None:
        if event == "restart":
            self.shelf.close()
            self.open()
        elif event == "evict":
            while self.session.store._evict_memory():
                pass


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(CHAT, EVENTS), min_size=2, max_size=5), st.randoms())
def test_conversations_go_as_if_nothing_were_kept(
    runtime: Runtime,
    tmp_path_factory: pytest.TempPathFactory,
    chats: list[tuple[tuple[int, list[tuple[int, int]]], str]],
    luck: random.Random,
) -> None:
    kept = Kept(runtime, tmp_path_factory.mktemp("kept"))
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
            bare = Session(runtime)
            for number, each in prompts.items():
                (expected,) = replies(bare, {number: each}, head).values()
                assert words(told[number]) == words(expected)
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
    assert kept.session.begun[2].cached_tokens == 300
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
