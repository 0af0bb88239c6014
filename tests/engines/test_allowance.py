"""How many tokens an answer may take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.messages import Conversation, RawPrompt
from server.core.request import GenerationRequest
from server.engines.allowance import HEADERS, LEAST_REASONING, Allowance, allowance
from tests.engines.models import limits

COUNT = st.integers(1, 20_000)


def allowed(prompt: int, context: int, given: dict[str, Any], **more: Any) -> Allowance:
    request = GenerationRequest(id="r", prompt=Conversation(messages=()), **given)
    return allowance(prompt, context, request, limits(**more))


def test_defaults_follow_the_effort() -> None:
    efforts = {"low": 512, "medium": 2048, "high": 8192, None: 2048}
    for effort, tokens in efforts.items():
        found = allowed(100, 32_768, {"effort": effort})
        assert found == Allowance(visible=256, reasoning=tokens, total=256 + tokens + HEADERS)


def test_what_is_named_counts_before_the_defaults() -> None:
    given = {"max_tokens": 50, "reasoning_budget": 70}
    assert allowed(100, 32_768, given, reasoning_budget=9) == Allowance(
        visible=50, reasoning=70, total=120 + HEADERS
    )
    assert allowed(100, 32_768, {}, reasoning_budget=9).reasoning == 9
    assert allowed(100, 32_768, {"reasoning_budget": 0}, reasoning_budget=9).reasoning == 0


def test_a_short_context_leaves_room_to_speak() -> None:
    assert allowed(0, 1000, {"max_tokens": 100}).reasoning == 1000 - 100 - 32
    assert allowed(0, 1000, {"max_tokens": 900}).reasoning == 500 - 32
    assert allowed(960, 1000, {}).reasoning == 0


@pytest.mark.parametrize(
    ("prompt", "max_tokens", "more"),
    [(1000, None, {}), (1200, None, {}), (900, 101, {}), (201, None, {"max_input_tokens": 200})],
)
def test_what_does_not_fit_is_refused(
    prompt: int, max_tokens: int | None, more: dict[str, int]
) -> None:
    with pytest.raises(ServerError) as caught:
        allowed(prompt, 1000, {"max_tokens": max_tokens}, **more)
    assert (caught.value.kind, caught.value.param) == ("context_too_long", "messages")


def test_the_refusal_has_the_words_that_clients_look_for() -> None:
    with pytest.raises(ServerError) as caught:
        allowed(1000, 1000, {})
    # LangChain and Anthropic's clients; LiteLLM.
    assert "prompt is too long" in caught.value.message
    assert "this model's maximum context length is 1000" in caught.value.message


@pytest.mark.parametrize(
    "prompt",
    [Conversation(messages=(), path="input"), RawPrompt(content="", path="input")],
)
def test_the_refusal_names_the_field_that_the_client_wrote(
    prompt: Conversation | RawPrompt,
) -> None:
    with pytest.raises(ServerError) as caught:
        allowance(1000, 1000, GenerationRequest(id="r", prompt=prompt), limits())
    assert caught.value.param == "input"


def test_the_refusal_names_what_can_be_lowered() -> None:
    with pytest.raises(ServerError) as prompt_alone:
        allowed(1000, 1000, {"max_tokens": 5})
    assert prompt_alone.value.message == (
        "The prompt is too long: it has 1000 tokens, and this model's maximum context length is"
        " 1000; shorten the messages."
    )
    with pytest.raises(ServerError) as with_the_answer:
        allowed(92, 1000, {"max_tokens": 5000})
    assert with_the_answer.value.message == (
        "The prompt is too long for so long an answer: it has 92 tokens and the answer may take"
        " 5000 more, and this model's maximum context length is 1000; lower max_tokens or shorten"
        " the messages."
    )


@given(
    prompt=COUNT,
    context=COUNT,
    visible=st.none() | COUNT,
    budget=st.none() | st.integers(0, 20_000),
)
def test_everything_fits(
    prompt: int, context: int, visible: int | None, budget: int | None
) -> None:
    room = context - prompt
    if room < (visible or 1):
        return
    found = allowed(prompt, context, {"max_tokens": visible, "reasoning_budget": budget})
    assert 1 <= found.visible <= room
    assert found.total <= room
    assert found.reasoning <= (8192 if budget is None else budget)
    assert found.reasoning == 0 or found.reasoning >= LEAST_REASONING
    # Half of the room, or all that was promised, is left for what is seen.
    assert room - found.reasoning >= min(found.visible, room // 2)
