"""Vectors of a small BERT, held against the same model computed with numpy, and packed ones against
lone ones.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import llama_cpp.llama_cpp as llama
import numpy as np
import pytest
from gguf import PoolingType
from numpy.typing import NDArray

from server.worker.embedding.ports import Passage
from server.worker.ports import DecodeFailed, DecodeInterrupted
from server.worker.runtime import library
from server.worker.runtime.embedder import BATCH_PASSAGES
from server.worker.runtime.load_embedder import EmbedderRuntime, load_embedder
from server.worker.runtime.model import ModelError
from tests.bert import CLS, SEP, UNKNOWN, Bert, embedder_options, vocabulary, word_ids
from tests.gguf_copies import write_copy
from tests.worker.runtime.conftest import TINY

BERT = Bert()
POOLINGS = [PoolingType.MEAN, PoolingType.CLS, PoolingType.LAST]
TEXTS = [
    "The cat sat on the mat.",
    "привет мир",
    "The river bank is money",
    "zebra!?",
    "x",
    "the cat " * 60,
    "Dog, dog; DOG",
]
Load = Callable[..., EmbedderRuntime]


@pytest.fixture
def load(log: library.Log, tmp_path: Path) -> Iterator[Load]:
    loaded: list[EmbedderRuntime] = []

    def load_one(path: Path | None = None, pooling: PoolingType = PoolingType.MEAN, **more: object):
        path = path or BERT.write(tmp_path / "bert.gguf", pooling)
        loaded.append(load_embedder(embedder_options(path, **more), log, lambda _fraction: None))
        return loaded[-1]

    yield load_one
    for runtime in loaded:
        runtime.close()


def vectors(runtime: EmbedderRuntime, inputs: list[list[int]]) -> NDArray[np.float32]:
    width = runtime.loaded.width
    passages = [Passage(1, number, tokens, width) for number, tokens in enumerate(inputs)]
    return np.array([np.frombuffer(each, "<f4") for each in runtime.runner.embed(passages)])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_vectors_are_those_of_the_reference(load: Load, pooling: PoolingType) -> None:
    runtime = load(pooling=pooling)
    tokens = [runtime.runner.tokenize(text) for text in TEXTS]
    wanted = np.array([BERT.embed(each, pooling) for each in tokens])
    lone = np.concatenate([vectors(runtime, [each]) for each in tokens])
    packed = vectors(runtime, tokens)
    assert (lone * wanted).sum(axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert (packed * wanted).sum(axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert np.abs(packed - lone).max() < 1e-3
    assert np.linalg.norm(packed, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-6)
    # They are different texts: equal vectors would satisfy the rest as well.
    assert (packed @ packed.T - 2 * np.eye(len(TEXTS))).max() < 0.999


def test_a_batch_may_be_full(load: Load) -> None:
    runtime = load(context_length=64)
    assert runtime.runner.batch_tokens == 128
    short = [[CLS, SEP]] * BATCH_PASSAGES
    assert len(np.unique(vectors(runtime, short).round(4), axis=0)) == 1
    assert len(vectors(runtime, [word_ids(*["cat"] * 62)] * 2)) == 2
    longest = word_ids(*["dog"] * 510)
    assert vectors(load(), [longest])[0] @ BERT.embed(longest, PoolingType.MEAN) > 0.9999


def test_texts_become_the_tokens_of_the_vocabulary(load: Load) -> None:
    tokenize = load().runner.tokenize
    assert tokenize("The CAT\n sat") == word_ids("the", "cat", "sat")
    assert tokenize("cát") == word_ids("cat")
    assert tokenize("日本") == [CLS, UNKNOWN, UNKNOWN, SEP]
    assert tokenize("") == [CLS, SEP]
    # What looks like a mark is text all the same.
    bracket, known = vocabulary().index("\u2581["), vocabulary()
    assert tokenize("[SEP]")[1] == bracket
    assert SEP not in tokenize("[SEP]")[1:-1]
    assert [known[token] for token in tokenize("dogs")[1:-1]] == ["\u2581dog", "s"]


def test_a_cut_keeps_the_mark_of_the_end(load: Load) -> None:
    runner = load().runner
    tokens = runner.tokenize("the cat sat on the mat")
    assert runner.cut(tokens, 4) == word_ids("the", "cat")
    assert runner.cut(tokens[:-1], 4) == word_ids("the", "cat", "sat")[:-1]


def test_a_shorter_vector_has_length_one_too(load: Load) -> None:
    runtime = load()
    (data,) = runtime.runner.embed([Passage(1, 0, word_ids("cat"), 5)])
    whole = BERT.embed(word_ids("cat"), PoolingType.MEAN)
    short = np.frombuffer(data, "<f4")
    assert short == pytest.approx(whole[:5] / np.linalg.norm(whole[:5]), abs=1e-3)
    assert np.linalg.norm(short) == pytest.approx(1, abs=1e-6)


def test_the_facts_of_the_model(load: Load) -> None:
    loaded = load(pooling=PoolingType.CLS, context_length=9999).loaded
    assert (loaded.architecture, loaded.pooling, loaded.width) == ("bert", "cls", BERT.width)
    assert loaded.context_length == loaded.training_context_length == BERT.context
    assert loaded.vocabulary_size == len(vocabulary())
    assert "512" in loaded.notes[0]


def test_an_encoder_that_does_not_say_how_to_pool_is_averaged(load: Load, tmp_path: Path) -> None:
    runtime = load(BERT.write(tmp_path / "silent.gguf", None))
    assert runtime.loaded.pooling == "mean"
    assert "does not say how to pool" in runtime.loaded.notes[0]
    wanted = BERT.embed(word_ids("cat"), PoolingType.MEAN)
    assert vectors(runtime, [word_ids("cat")])[0] @ wanted > 0.9999


def test_a_model_that_writes_is_refused_before_it_is_loaded(log: library.Log) -> None:
    heard: list[float] = []
    with pytest.raises(ModelError, match=r"not meant for embeddings: it has no gpt-oss\.pooling"):
        load_embedder(embedder_options(TINY), log, heard.append)
    assert heard == []


def test_a_model_that_ranks_is_refused(load: Load, tmp_path: Path) -> None:
    path = BERT.write(tmp_path / "rank.gguf", PoolingType.RANK)
    with pytest.raises(ModelError, match="ranks texts and makes no embeddings"):
        load(path)


def test_a_broken_model_is_refused(load: Load, tmp_path: Path) -> None:
    broken = Bert()
    broken.weights["blk.0.ffn_up.bias"][:] = np.nan
    with pytest.raises(ModelError, match=r"loads but does not compute: .* not a vector"):
        load(broken.write(tmp_path / "nan.gguf", PoolingType.MEAN))


def test_zeros_are_no_answer(load: Load) -> None:
    runtime = load()
    with pytest.raises(DecodeFailed, match="not a vector"):
        runtime.runner.embed([Passage(1, 0, word_ids("cat"), 0)])


def test_an_interrupted_batch_is_not_answered_and_the_next_one_is(load: Load) -> None:
    runtime = load()
    runtime.runner.interrupt()
    with pytest.raises(DecodeInterrupted):
        vectors(runtime, [word_ids("cat")])
    runtime.runner.resume()
    wanted = BERT.embed(word_ids("cat"), PoolingType.MEAN)
    assert vectors(runtime, [word_ids("cat")])[0] @ wanted > 0.9999


# --- a model that writes, told to pool: it looks back only, and its tokens have a cache ----------


@pytest.fixture(scope="module")
def decoder(
    log: library.Log, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbedderRuntime]:
    path = tmp_path_factory.mktemp("decoder") / "last.gguf"
    write_copy(TINY, path, {"gpt-oss.pooling_type": PoolingType.LAST})
    runtime = load_embedder(
        embedder_options(path, context_length=2048), log, lambda _fraction: None
    )
    yield runtime
    runtime.close()


def test_a_decoder_gives_the_same_alone_and_packed(decoder: EmbedderRuntime) -> None:
    texts = ["Hello!", "What is 2+2?", "Привет", "Tell me a story " * 20]
    tokens = [decoder.runner.tokenize(text) for text in texts]
    lone = np.concatenate([vectors(decoder, [each]) for each in tokens])
    packed = vectors(decoder, tokens)
    assert (packed * lone).sum(axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-4)
    # Nothing of earlier batches is left in the cache.
    assert vectors(decoder, tokens[::-1])[::-1] == pytest.approx(packed, abs=1e-2)
    assert (packed @ packed.T - 2 * np.eye(len(texts))).max() < 0.999


def test_a_decoder_pools_its_last_token(decoder: EmbedderRuntime) -> None:
    tokens = decoder.runner.tokenize("What is your name?")
    wanted = last_state(decoder.model.pointer, tokens)
    assert vectors(decoder, [[5, 6], tokens])[1] @ wanted == pytest.approx(1, abs=1e-4)


def last_state(model: object, tokens: list[int]) -> NDArray[np.float32]:
    """The last token's vector out of a context that does not pool, of length 1."""
    params = llama.llama_context_default_params()
    params.embeddings = True
    params.pooling_type = llama.LLAMA_POOLING_TYPE_NONE
    params.flash_attn_type = llama.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.n_threads = params.n_threads_batch = 1
    context = llama.llama_init_from_model(model, params)
    ids = (llama.llama_token * len(tokens))(*tokens)
    assert llama.llama_decode(context, llama.llama_batch_get_one(ids, len(tokens))) == 0
    width = llama.llama_model_n_embd_out(model)
    state = np.ctypeslib.as_array(llama.llama_get_embeddings_ith(context, -1), (width,)).copy()
    llama.llama_free(context)
    return state / np.linalg.norm(state)
