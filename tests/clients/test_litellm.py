"""LiteLLM as a client, in each of the three dialects that it speaks to such a server."""

import asyncio
import json
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import jsonschema
import openai
import pytest

from tests.clients.conftest import EMBEDDER, KEY
from tests.clients.sites import Site

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "The city."}},
            "required": ["location"],
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {"mood": {"enum": ["good", "bad"]}, "count": {"type": "integer"}},
    "required": ["mood", "count"],
    "additionalProperties": False,
}
FORM = {
    "type": "json_schema",
    "json_schema": {"name": "mood", "schema": SCHEMA, "strict": True},
}
PROVIDERS = ("openai", "ollama_chat", "anthropic")
# Of the package's own making.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Accessing the 'model_computed_fields' attribute"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_fields' attribute"),
    pytest.mark.filterwarnings("ignore:Pydantic serializer warnings"),
]


@pytest.fixture(scope="module")
def litellm() -> Iterator[ModuleType]:
    """The package, which takes seconds to import, and by itself would ask the network for prices
    and leave an event loop and its connections open.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        warnings.simplefilter("ignore")
        import litellm as package

        package.telemetry = False
        package.suppress_debug_info = True
        yield package
        close_clients(package)
        package.module_level_client.client.close()
    asyncio.set_event_loop(None)
    loop.close()


def close_clients(package: ModuleType) -> None:
    for kept in kept_clients(package):
        if isinstance(kept, httpx.Client | openai.OpenAI):
            kept.close()


async def close_async_clients(package: ModuleType) -> None:
    """In the event loop that used them."""
    await package.close_litellm_async_clients()
    for kept in kept_clients(package):
        if isinstance(kept, openai.AsyncOpenAI):
            await kept.close()
    close_clients(package)
    package.in_memory_llm_clients_cache.flush_cache()


def kept_clients(package: ModuleType) -> list[Any]:
    kept = package.in_memory_llm_clients_cache.cache_dict.values()
    return [getattr(each, "client", each) for each in kept]


@pytest.fixture(params=PROVIDERS)
def given(request: pytest.FixtureRequest, two_models: Site) -> dict[str, Any]:
    """How each provider is told of the server."""
    provider: str = request.param
    base = {
        "openai": f"{two_models.url}/v1",
        "ollama_chat": two_models.ollama_url,
        "anthropic": two_models.url,
    }[provider]
    model = "gpt-oss:20b" if provider == "ollama_chat" else "gpt-oss-20b"
    return {
        "model": f"{provider}/{model}",
        "api_base": base,
        "api_key": KEY,
        "temperature": 0,
        "max_tokens": 400,
        "max_retries": 0,
    }


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def is_of(provider: str, given: dict[str, Any]) -> bool:
    return bool(given["model"].startswith(f"{provider}/"))


def test_a_plain_answer(litellm: ModuleType, given: dict[str, Any]) -> None:
    reply = litellm.completion(messages=[user("Hello!")], **given)
    assert reply.choices[0].message.content == "Hello! How can I help you?"
    assert reply.choices[0].finish_reason == "stop"
    usage = reply.usage
    assert usage.prompt_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_a_stream_says_the_same_as_a_body(litellm: ModuleType, given: dict[str, Any]) -> None:
    asked = {**given, "messages": [user("Count from 1 to 20")]}
    whole = litellm.completion(**asked)
    options = {"include_usage": True}
    chunks = list(litellm.completion(**asked, stream=True, stream_options=options))
    built = litellm.stream_chunk_builder(chunks)
    assert built.choices[0].message.content == whole.choices[0].message.content
    assert "19, 20" in built.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


def test_the_reasoning_is_told(litellm: ModuleType, given: dict[str, Any]) -> None:
    if is_of("anthropic", given):
        given["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        given["allowed_openai_params"] = ["thinking"]
    asked = {**given, "messages": [user("What is the weather in Paris?")], "tools": [WEATHER]}
    message = litellm.completion(**asked).choices[0].message
    assert message.reasoning_content
    chunks = litellm.completion(**asked, stream=True)
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert any(getattr(delta, "reasoning_content", None) for delta in deltas)


def test_a_tool_is_called_and_its_result_used(litellm: ModuleType, given: dict[str, Any]) -> None:
    asked = {**given, "tools": [WEATHER]}
    messages: list[Any] = [user("What is the weather in Paris?")]
    choice = litellm.completion(messages=messages, **asked).choices[0]
    assert choice.finish_reason == "tool_calls"
    (call,) = choice.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"location": "Paris"}
    result = json.dumps({"temperature": 21, "condition": "sunny"})
    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": result}]
    answer = litellm.completion(messages=messages, **asked).choices[0]
    assert "21" in answer.message.content
    assert "sunny" in answer.message.content


def test_a_tool_call_streams(litellm: ModuleType, given: dict[str, Any]) -> None:
    messages = [user("What is the weather in Oslo?")]
    chunks = list(litellm.completion(messages=messages, tools=[WEATHER], stream=True, **given))
    choice = litellm.stream_chunk_builder(chunks, messages=messages).choices[0]
    (call,) = choice.message.tool_calls
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"location": "Oslo"}
    # Ollama's own last word, which the package leaves as it is.
    assert choice.finish_reason == ("stop" if is_of("ollama_chat", given) else "tool_calls")


def test_a_named_tool_is_called(litellm: ModuleType, given: dict[str, Any]) -> None:
    if is_of("ollama_chat", given):
        pytest.skip("Ollama's interface has no tool_choice")
    choice = {"type": "function", "function": {"name": "get_weather"}}
    reply = litellm.completion(
        messages=[user("Hello!")], tools=[WEATHER], tool_choice=choice, **given
    )
    (call,) = reply.choices[0].message.tool_calls
    assert call.function.name == "get_weather"


@pytest.mark.parametrize("form", [{"type": "json_object"}, FORM], ids=["object", "schema"])
def test_an_answer_keeps_to_its_form(
    litellm: ModuleType, given: dict[str, Any], form: dict[str, Any]
) -> None:
    if is_of("anthropic", given) and form is not FORM:
        pytest.skip("the package asks Anthropic for no JSON without a schema")
    reply = litellm.completion(messages=[user("Hello!")], response_format=form, **given)
    value = json.loads(reply.choices[0].message.content)
    assert isinstance(value, dict)
    if form is FORM:
        jsonschema.validate(value, SCHEMA)


async def test_several_at_once(litellm: ModuleType, given: dict[str, Any]) -> None:
    asked = {**given, "messages": [user("Hello!")]}
    replies = await asyncio.gather(*(litellm.acompletion(**asked) for _ in range(3)))
    assert len({reply.choices[0].message.content for reply in replies}) == 1
    stream = await litellm.acompletion(**asked, stream=True)
    said = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(said) == replies[0].choices[0].message.content
    await close_async_clients(litellm)


@pytest.mark.parametrize("form", ["float", "base64", None])
def test_embeddings(litellm: ModuleType, two_models: Site, form: str | None) -> None:
    reply = litellm.embedding(
        model=f"openai/{EMBEDDER}",
        input=["the cat", "the dog"],
        api_base=f"{two_models.url}/v1",
        api_key=KEY,
        encoding_format=form,
    )
    assert [item["index"] for item in reply.data] == [0, 1]
    assert reply.usage.prompt_tokens > 0
    assert all(item["embedding"] for item in reply.data)


def test_what_is_wrong_is_raised_by_its_kind(litellm: ModuleType, given: dict[str, Any]) -> None:
    asked = {**given, "messages": [user("Hello!")]}
    if is_of("ollama_chat", given):
        with pytest.raises(litellm.APIConnectionError, match="model 'gpt-9' not found"):
            litellm.completion(**asked | {"model": "ollama_chat/gpt-9"})
        return
    provider, _, _ = given["model"].partition("/")
    with pytest.raises(litellm.NotFoundError, match="gpt-9"):
        litellm.completion(**asked | {"model": f"{provider}/gpt-9"})
    with pytest.raises(litellm.AuthenticationError):
        litellm.completion(**asked | {"api_key": "sk-wrong"})
    with pytest.raises(litellm.ContextWindowExceededError):
        litellm.completion(**asked | {"messages": [user("word " * 20_000)]})


def test_text_completions(litellm: ModuleType, two_models: Site) -> None:
    reply = litellm.text_completion(
        model="text-completion-openai/gpt-oss-20b",
        prompt="Once upon a time",
        max_tokens=8,
        api_base=f"{two_models.url}/v1",
        api_key=KEY,
    )
    assert reply.choices[0].text
    assert reply.usage.completion_tokens == 8


def test_responses(litellm: ModuleType, two_models: Site) -> None:
    asked = {
        "model": "openai/gpt-oss-20b",
        "input": "Hello!",
        "temperature": 0,
        "api_base": f"{two_models.url}/v1",
        "api_key": KEY,
    }
    reply = litellm.responses(**asked)
    assert reply.status == "completed"
    text = reply.output[-1].content[0].text
    events = list(litellm.responses(**asked, stream=True))
    assert events[-1].response.output[-1].content[0].text == text
