"""The official OpenAI client against a real server with a small BERT beside the bundled model."""

import base64
import os
import re
import signal
from collections.abc import Iterator

import numpy as np
import openai
import pytest
from gguf import PoolingType

from tests.bert import Bert, word_ids
from tests.clients.conftest import KEY, KEYS
from tests.clients.server_process import ServerProcess

BERT = Bert()
BERT_READY = re.compile(r"model nomic is ready in worker (\d+)")
DIED = re.compile(r"model nomic: worker (\d+) ended: killed by SIGKILL")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with two models, the second of which makes embeddings."""
    path = BERT.write(tmp_path_factory.mktemp("bert") / "nomic.gguf", PoolingType.CLS)
    process = ServerProcess(
        API_KEYS=KEYS,
        N_THREADS="1",
        EMBEDDING_MODEL_PATH=str(path),
        EMBEDDING_MODEL_NAME="nomic",
        EMBEDDING_MATRYOSHKA="1",
    )
    try:
        process.wait_until_ready()
        # The one that is ready first may be either.
        if not any(BERT_READY.search(line) for line in process.log):
            process.wait_for(BERT_READY)
        yield process
    finally:
        assert process.stop() == 0


@pytest.fixture
def client(pair: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{pair.url}/v1", api_key=KEY, max_retries=0) as made:
        yield made


def reference(*words: str) -> np.ndarray:
    return BERT.embed(word_ids(*words), PoolingType.CLS)


@pytest.mark.parametrize("form", [openai.NOT_GIVEN, "float", "base64"])
def test_vectors_in_every_form(client: openai.OpenAI, form: object) -> None:
    reply = client.embeddings.create(
        model="nomic", input=["the cat", "the dog"], encoding_format=form
    )
    assert (reply.object, reply.model) == ("list", "nomic")
    assert (reply.usage.prompt_tokens, reply.usage.total_tokens) == (8, 8)
    assert [each.index for each in reply.data] == [0, 1]
    wanted = [reference("the", "cat"), reference("the", "dog")]
    for each, vector in zip(reply.data, wanted, strict=True):
        if form == "base64":
            found = np.frombuffer(base64.b64decode(each.embedding), "<f4")
        else:
            found = np.array(each.embedding)
        assert found @ vector == pytest.approx(1, abs=1e-4)


def test_tokens_instead_of_text(client: openai.OpenAI) -> None:
    (found,) = client.embeddings.create(model="nomic", input=word_ids("river", "bank")).data
    assert np.array(found.embedding) @ reference("river", "bank") == pytest.approx(1, abs=1e-4)
    pair = client.embeddings.create(model="nomic", input=[word_ids("cat"), word_ids("dog")]).data
    assert len(pair) == 2
    with pytest.raises(openai.BadRequestError, match="this model's end at") as caught:
        client.embeddings.create(model="nomic", input=[1, 100_000])
    assert caught.value.param == "input"


def test_the_chat_models_name_means_the_embedding_model(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model="gpt-oss:20b", input="the cat")
    assert reply.model == "nomic"
    assert len(reply.data[0].embedding) == BERT.width


def test_shorter_vectors(client: openai.OpenAI) -> None:
    (found,) = client.embeddings.create(model="nomic", input="the cat", dimensions=4).data
    wanted = reference("the", "cat")[:4]
    assert found.embedding == pytest.approx(list(wanted / np.linalg.norm(wanted)), abs=1e-3)
    with pytest.raises(openai.BadRequestError, match="have 32 numbers") as caught:
        client.embeddings.create(model="nomic", input="the cat", dimensions=64)
    assert caught.value.param == "dimensions"


def test_as_many_inputs_as_there_may_be(client: openai.OpenAI) -> None:
    reply = client.embeddings.create(model="nomic", input=[f"cat {n}" for n in range(2048)])
    assert len(reply.data) == 2048
    assert reply.data[7].embedding == pytest.approx(
        client.embeddings.create(model="nomic", input="cat 7").data[0].embedding, abs=1e-3
    )


def test_what_is_too_long(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match=r"input\[1\] has 602 tokens") as caught:
        client.embeddings.create(model="nomic", input=["cat", "cat " * 600])
    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")
    reply = client.embeddings.create(
        model="nomic", input="cat " * 600, extra_body={"truncate": True}
    )
    assert reply.usage.prompt_tokens == 512


def test_a_key_needs_the_permission(pair: ServerProcess) -> None:
    with (
        openai.OpenAI(base_url=f"{pair.url}/v1", api_key="sk-test-completions-only") as stranger,
        pytest.raises(openai.PermissionDeniedError),
    ):
        stranger.embeddings.create(model="nomic", input="cat")


def test_chats_go_on_beside(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="gpt-oss-20b", messages=[{"role": "user", "content": "Hello!"}], temperature=0
    )
    assert reply.choices[0].message.content
    assert [model.id for model in client.models.list()] == ["gpt-oss-20b", "nomic"]
    with pytest.raises(openai.BadRequestError, match="cannot write"):
        client.chat.completions.create(
            model="nomic", messages=[{"role": "user", "content": "Hello!"}]
        )


def test_a_killed_worker_comes_back_and_the_chats_never_notice(
    pair: ServerProcess, client: openai.OpenAI
) -> None:
    before = client.embeddings.create(model="nomic", input="the cat").data[0].embedding
    pid = next(int(found[1]) for line in pair.log if (found := BERT_READY.search(line)))
    os.kill(pid, signal.SIGKILL)
    assert int(pair.wait_for(DIED)[1]) == pid
    # It waits for the new one.
    assert client.embeddings.create(model="nomic", input="the cat").data[0].embedding == before
    assert client.chat.completions.create(
        model="gpt-oss-20b", messages=[{"role": "user", "content": "Hello!"}], temperature=0
    ).choices
