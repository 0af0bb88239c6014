"""The real openai package asks a real server on the bundled model for plain completions."""

import openai
import pytest

from tests.engines.models import MARKUP

MODEL = "gpt-oss-20b"
FOX = "The quick brown fox"


def test_a_completion(client: openai.OpenAI) -> None:
    whole = client.completions.create(model=MODEL, prompt=FOX, max_tokens=8, temperature=0)
    assert whole.object == "text_completion"
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 8
    chunks = client.completions.create(
        model=MODEL, prompt=FOX, max_tokens=8, temperature=0, stream=True
    )
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text


def test_log_probabilities(client: openai.OpenAI) -> None:
    whole = client.completions.create(
        model=MODEL, prompt=FOX, max_tokens=8, temperature=0, logprobs=3
    )
    (choice,) = whole.choices
    logprobs = choice.logprobs
    assert logprobs is not None
    assert logprobs.tokens is not None
    assert logprobs.top_logprobs is not None
    assert logprobs.token_logprobs is not None
    assert logprobs.text_offset is not None
    for token, logprob, top, offset in zip(
        logprobs.tokens,
        logprobs.token_logprobs,
        logprobs.top_logprobs,
        logprobs.text_offset,
        strict=True,
    ):
        assert choice.text.startswith(token, offset)
        # Greedy: the likeliest is drawn.
        assert top[token] == logprob == max(top.values())


def test_a_chat_written_in_ids_is_answered_without_markup(client: openai.OpenAI) -> None:
    asked = {"messages": [{"role": "user", "content": "Hello!"}]}
    tokens = client.post("/tokenize", body=asked, cast_to=dict)["tokens"]
    whole = client.completions.create(model=MODEL, prompt=tokens, max_tokens=64, echo=True)
    echo = client.post("/detokenize", body={"tokens": tokens}, cast_to=dict)["text"]
    text = whole.choices[0].text
    assert text.startswith(echo)
    assert not MARKUP.search(text.removeprefix(echo))


def test_what_is_refused_raises(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="suffix") as refused:
        client.completions.create(model=MODEL, prompt="def f(", suffix="): pass")
    assert refused.value.param == "suffix"
    with pytest.raises(openai.BadRequestError, match="logprobs"):
        client.completions.create(model=MODEL, prompt=FOX, echo=True, logprobs=1)


def test_tokens_are_counted_as_they_are_used(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "Hello!"}]
    counted = client.post(
        "/chat/completions/input_tokens", body={"messages": messages}, cast_to=dict
    )
    whole = client.chat.completions.create(model=MODEL, messages=messages, max_tokens=4)
    assert whole.usage is not None
    assert counted["input_tokens"] == whole.usage.prompt_tokens
    response = client.responses.input_tokens.count(model=MODEL, input="Hello!")
    assert response.input_tokens == whole.usage.prompt_tokens
