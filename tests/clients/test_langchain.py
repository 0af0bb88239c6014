"""LangChain's clients for OpenAI and for Ollama against a real server on the bundled model."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import openai
import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from tests.clients.conftest import EMBEDDER, KEY
from tests.clients.sites import Site

BEARER = {"headers": {"Authorization": f"Bearer {KEY}"}}
PROMPT = [("user", "Hello!")]


class Mood(BaseModel):
    """How somebody is."""

    mood: str
    count: int


@tool
def get_weather(location: str) -> str:
    """Get the current weather in a city."""
    return json.dumps({"temperature": 21, "condition": "sunny", "location": location})


KINDS = ("openai", "responses", "ollama")


def made(kind: str, site: Site, **clients: Any) -> Any:
    if kind == "ollama":
        return ChatOllama(
            model="gpt-oss:20b",
            base_url=site.ollama_url,
            client_kwargs=BEARER,
            temperature=0,
            num_predict=400,
        )
    return ChatOpenAI(
        model="gpt-oss-20b",
        base_url=f"{site.url}/v1",
        api_key=KEY,
        temperature=0,
        max_tokens=400,
        max_retries=0,
        stream_usage=True,
        use_responses_api=kind == "responses",
        **clients,
    )


@pytest.fixture
def http_client() -> Iterator[Any]:
    """For LangChain's OpenAI, which would never close its own."""
    with openai.DefaultHttpxClient() as client:
        yield client


@pytest.fixture
async def http_async_client() -> AsyncIterator[Any]:
    async with openai.DefaultAsyncHttpxClient() as client:
        yield client


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chat(kind: str, two_models: Site, http_client: Any) -> Iterator[Any]:
    chat = made(kind, two_models, http_client=http_client)
    yield chat
    if kind == "ollama":
        chat._client.close()


@pytest.fixture
async def async_chat(kind: str, two_models: Site, http_async_client: Any) -> AsyncIterator[Any]:
    chat = made(kind, two_models, http_async_client=http_async_client)
    yield chat
    if kind == "ollama":
        await chat._async_client.close()


def test_a_plain_answer(chat: Any) -> None:
    reply = chat.invoke(PROMPT)
    assert reply.text == "Hello! How can I help you?"
    usage = reply.usage_metadata
    assert usage["input_tokens"] > 0
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_a_stream_says_the_same_as_a_body(chat: Any) -> None:
    asked = [("user", "Count from 1 to 20")]
    whole = chat.invoke(asked)
    chunks = list(chat.stream(asked))
    assert len(chunks) > 3
    joined = AIMessageChunk(content="")
    for chunk in chunks:
        joined += chunk
    assert joined.text == whole.text
    assert "19, 20" in whole.text
    assert joined.usage_metadata["output_tokens"] == whole.usage_metadata["output_tokens"]


async def test_several_at_once(async_chat: Any) -> None:
    replies = await async_chat.abatch([PROMPT] * 3)
    assert len({reply.text for reply in replies}) == 1
    said = [chunk.text async for chunk in async_chat.astream(PROMPT)]
    assert "".join(said) == replies[0].text


def test_a_tool_is_called_and_its_result_used(chat: Any) -> None:
    bound = chat.bind_tools([get_weather])
    messages: list[Any] = [HumanMessage("What is the weather in Paris?")]
    called = bound.invoke(messages)
    (call,) = called.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"location": "Paris"})
    result = get_weather.invoke(call)
    assert isinstance(result, ToolMessage)
    answer = bound.invoke([*messages, called, result])
    assert "21" in answer.text
    assert "sunny" in answer.text


def test_a_tool_call_streams(chat: Any) -> None:
    chunks = chat.bind_tools([get_weather]).stream("What is the weather in Oslo?")
    joined = AIMessageChunk(content="")
    for chunk in chunks:
        joined += chunk
    (call,) = joined.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"location": "Oslo"})


@pytest.mark.parametrize("kind", ["openai", "responses"], indirect=True)
@pytest.mark.parametrize("choice", ["any", "get_weather"])
def test_a_required_tool_is_called(chat: ChatOpenAI, choice: str) -> None:
    reply = chat.bind_tools([get_weather], tool_choice=choice, strict=True).invoke(PROMPT)
    (call,) = reply.tool_calls
    assert call["name"] == "get_weather"
    assert call["args"].keys() == {"location"}


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_an_answer_keeps_to_its_form(chat: Any, method: str) -> None:
    asked = chat.with_structured_output(
        None if method == "json_mode" else Mood, method=method, include_raw=True
    )
    given = asked.invoke([("user", "Hello! How are you? Answer in JSON.")])
    if isinstance(chat, ChatOllama) and method == "function_calling":
        # Ollama's interface cannot require a call.
        assert isinstance(given["raw"], AIMessage)
        return
    assert given["parsing_error"] is None
    assert isinstance(given["parsed"], dict if method == "json_mode" else Mood)


@pytest.mark.parametrize("kind", ["ollama"], indirect=True)
def test_the_reasoning_is_told(chat: ChatOllama) -> None:
    reply = chat.model_copy(update={"reasoning": True}).invoke(PROMPT)
    assert reply.additional_kwargs["reasoning_content"]
    silent = chat.model_copy(update={"reasoning": False}).invoke(PROMPT)
    assert "reasoning_content" not in silent.additional_kwargs


@pytest.mark.parametrize("kind", ["responses"], indirect=True)
def test_the_reasoning_is_a_block(chat: ChatOpenAI) -> None:
    reply = chat.invoke(PROMPT)
    assert reply.usage_metadata["output_token_details"]["reasoning"] > 0
    (reasoning, text) = reply.content
    assert (reasoning["type"], text["type"]) == ("reasoning", "text")
    assert reasoning["content"][0]["text"]


def test_a_conversation_goes_on(chat: Any) -> None:
    messages: list[Any] = [HumanMessage("My name is Wolfgang.")]
    messages += [chat.invoke(messages), HumanMessage("What is my name?")]
    assert "Wolfgang" in chat.invoke(messages).text


@pytest.mark.parametrize("kind", ["responses"], indirect=True)
def test_responses_go_on_by_their_ids(chat: ChatOpenAI) -> None:
    chat = chat.model_copy(update={"use_previous_response_id": True})
    first = chat.invoke([HumanMessage("My name is Wolfgang.")])
    assert first.response_metadata["id"].startswith("resp_")
    reply = chat.invoke([first, HumanMessage("What is my name?")])
    assert "Wolfgang" in reply.text


@pytest.mark.parametrize("kind", ["openai"], indirect=True)
def test_logprobs(chat: ChatOpenAI) -> None:
    reply = chat.bind(logprobs=True, top_logprobs=2).invoke(PROMPT)
    tokens = reply.response_metadata["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == reply.text


@pytest.mark.parametrize("kind", ["openai", "responses"], indirect=True)
def test_tokens_are_told_by_their_kind(chat: ChatOpenAI) -> None:
    usage = chat.invoke(PROMPT).usage_metadata
    assert usage["output_token_details"]["reasoning"] > 0
    assert usage["input_token_details"]["cache_read"] >= 0


@pytest.fixture
async def embeddings(
    kind: str, two_models: Site, http_client: Any, http_async_client: Any
) -> AsyncIterator[Any]:
    if kind == "openai":
        yield OpenAIEmbeddings(
            model=EMBEDDER,
            base_url=f"{two_models.url}/v1",
            api_key=KEY,
            http_client=http_client,
            http_async_client=http_async_client,
            # It would send the token ids of OpenAI's models.
            check_embedding_ctx_length=False,
        )
        return
    made = OllamaEmbeddings(model=EMBEDDER, base_url=two_models.ollama_url, client_kwargs=BEARER)
    yield made
    made._client.close()
    await made._async_client.close()


@pytest.mark.parametrize("kind", ["openai", "ollama"], indirect=True)
async def test_embeddings(embeddings: Any) -> None:
    first, second = embeddings.embed_documents(["the cat", "the dog"])
    assert np.dot(first, first) == pytest.approx(1, abs=1e-4)
    assert np.dot(first, embeddings.embed_query("the cat")) == pytest.approx(1, abs=1e-3)
    assert np.dot(first, second) < 0.999
    assert (await embeddings.aembed_query("the cat"))[0] == pytest.approx(first[0], abs=1e-3)


@pytest.mark.parametrize("kind", ["openai", "responses"], indirect=True)
def test_too_much_is_raised_as_such(chat: ChatOpenAI) -> None:
    with pytest.raises(ContextOverflowError, match="maximum context length is 8192"):
        chat.invoke([("user", "word " * 20_000)])
