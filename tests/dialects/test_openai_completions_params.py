"""What every field of a completion request means, and what is wrong with those that are refused."""

from dataclasses import replace
from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.messages import Conversation, RawPrompt, UserMessage
from server.core.request import GrammarOutput, JsonOutput, Sampling
from server.dialects.openai_completions import MOST_CHOICES
from server.dialects.openai_completions_body import OTHER_FIELDS
from tests.dialects.asking_completions import COMPLETION, completion


def refusal(body: dict[str, Any], **limits: Any) -> ServerError:
    with pytest.raises(ServerError) as refused:
        completion(body, **limits)
    assert refused.value.kind == "invalid"
    return refused.value


def prompts(body: dict[str, Any], **limits: Any) -> list[RawPrompt | Conversation]:
    return [request.prompt for request in completion(body, **limits).requests]


def test_nothing_said_is_the_servers_own():
    (request,) = completion({}).requests
    assert request.prompt == RawPrompt(content="Hi")
    assert (request.max_tokens, request.min_tokens, request.reasoning_budget) == (None, 0, 0)
    assert (request.sampling, request.output, request.logprobs) == (Sampling(), None, None)
    assert (request.stop, request.owner, request.effort) == ((), "me", None)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("a", [("a", "prompt")]),
        ("", [("", "prompt")]),
        (["a"], [("a", "prompt[0]")]),
        (["a", ""], [("a", "prompt[0]"), ("", "prompt[1]")]),
        ([1, 2], [((1, 2), "prompt")]),
        ([[1, 2], [3]], [((1, 2), "prompt[0]"), ((3,), "prompt[1]")]),
    ],
)
def test_prompts_come_in_four_shapes(written: Any, read: list[tuple[Any, str]]):
    found = [(each.content, each.path) for each in prompts({"prompt": written})]
    assert found == read


@pytest.mark.parametrize(
    ("written", "param"),
    [
        ([], "prompt"),
        (None, "prompt"),
        (7, "prompt"),
        ({}, "prompt"),
        ([None], "prompt[0]"),
        (["a", 1], "prompt[1]"),
        ([1, "a"], "prompt[1]"),
        ([True], "prompt[0]"),
        ([1, -1], "prompt[1]"),
        ([1, 2**31], "prompt[1]"),
        ([1, 1.5], "prompt[1]"),
        ([[]], "prompt[0]"),
        ([[1], "a"], "prompt[1]"),
        ([[1], [1, None]], "prompt[1][1]"),
    ],
)
def test_anything_else_is_refused_by_its_place(written: Any, param: str):
    assert refusal({"prompt": written}).param == param


def test_a_prompt_is_required():
    with pytest.raises(ServerError) as refused:
        completion({"prompt": None})
    assert refused.value.param == "prompt"


def test_every_prompt_gets_n_answers_with_seeds_of_their_own():
    call = completion({"prompt": ["a", "b"], "n": 2, "seed": 2**32 - 1})
    assert [request.prompt.content for request in call.requests] == ["a", "a", "b", "b"]
    assert [request.sampling.seed for request in call.requests] == [2**32 - 1, 0] * 2
    assert len({request.id for request in call.requests}) == 4


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_tokens": -1}, {"max_tokens": None}),
        ({"max_completion_tokens": 7, "max_tokens": 5}, {"max_tokens": 7}),
        ({"min_tokens": 3}, {"min_tokens": 3}),
        ({"stop": "a"}, {"stop": ("a",)}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"logprobs": 0}, {"logprobs": 0}),
        ({"logprobs": 5}, {"logprobs": 5}),
        ({"temperature": 0, "top_k": 3}, {"sampling": Sampling(temperature=0, top_k=3)}),
        ({"logit_bias": {"5": -100}}, {"sampling": Sampling(logit_bias={5: -100})}),
        ({"grammar": "root ::= [a]"}, {"output": GrammarOutput(text="root ::= [a]")}),
        ({"response_format": {"type": "json_object"}}, {"output": JsonOutput()}),
        ({"json_schema": {"type": "array"}}, {"output": JsonOutput(schema={"type": "array"})}),
        ({"suffix": "b"}, {"prompt": RawPrompt(content="Hi", suffix="b")}),
        ({"suffix": ""}, {"prompt": RawPrompt(content="Hi")}),
        ({"best_of": 1}, {}),
        ({"n": 2, "best_of": 1}, {}),
        ({"n": 2, "best_of": 2}, {}),
        ({"best_of": 1, "stream": True}, {}),
        ({"skip_special_tokens": True}, {}),
        ({"echo": True}, {}),
    ],
)
def test_field_is_honoured(body: dict[str, Any], value: dict[str, Any]):
    first, *_ = completion(body).requests
    assert first == replace(completion({}).requests[0], **value)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_tokens": 5, "min_tokens": 6}, "min_tokens"),
        ({"n": 0}, "n"),
        ({"n": 5}, "n"),
        ({"best_of": 0}, "best_of"),
        ({"best_of": 2}, "best_of"),
        ({"n": 3, "best_of": 2}, "best_of"),
        ({"n": 2, "best_of": 2, "stream": True}, "best_of"),
        ({"logprobs": 6}, "logprobs"),
        ({"logprobs": -1}, "logprobs"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 0, "echo": True}, "logprobs"),
        ({"echo": "yes"}, "echo"),
        ({"suffix": 1}, "suffix"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"stop": ""}, "stop"),
        ({"temperature": 3}, "temperature"),
        ({"skip_special_tokens": False}, "skip_special_tokens"),
        ({"prompt": ["a"] * (MOST_CHOICES + 1)}, "prompt"),
        ({"prompt": ["a"] * (MOST_CHOICES // 2), "n": 3}, "prompt"),
        ({"grammar": "a", "json_schema": {}}, "grammar"),
    ],
)
def test_value_is_refused_by_name(body: dict[str, Any], param: str):
    assert refusal(body).param == param


def test_limits_of_the_operator_hold():
    assert refusal({"max_tokens": 9}, output_tokens_limit=8).param == "max_tokens"
    assert completion({"max_tokens": 8}, output_tokens_limit=8).requests[0].max_tokens == 8
    assert refusal({"n": 2}, n_limit=1).param == "n"


@pytest.mark.parametrize("param", sorted(OTHER_FIELDS.refused))
def test_what_is_not_done_is_refused_by_name(param: str):
    refused = refusal({param: ["anything"]})
    assert (refused.param, refused.code) == (param, "unsupported_parameter")
    assert len(completion({param: None}).requests) == 1


def test_harmless_fields_are_ignored_and_unknown_ones_told():
    body = {name: {"any": ["thing"]} for name in OTHER_FIELDS.ignored}
    assert completion(body, strict_params=True).unknown == ()
    assert completion({"made_up": 1}).unknown == ("made_up",)
    assert refusal({"made_up": 1}, strict_params=True).code == "unknown_parameter"


def test_prompts_can_be_asked_as_messages():
    call = completion({"prompt": ["a", "b"]}, completions_as_chat=True)
    said = [Conversation(messages=(UserMessage(text=text),)) for text in "ab"]
    assert [request.prompt for request in call.requests] == said
    assert [request.conversation.path for request in call.requests] == ["prompt[0]", "prompt[1]"]
    assert [request.effort for request in call.requests] == ["medium"] * 2
    assert call.requests[0].reasoning_budget is None


@pytest.mark.parametrize(
    ("asked", "effort", "budget"),
    [
        ({"effort_suffix": "high"}, "high", None),
        ({"effort_suffix": "high", "effort_header": "low"}, "low", None),
        ({"effort_header": "none"}, "low", 0),
    ],
)
def test_messages_are_thought_about_as_long_as_was_asked(
    asked: dict[str, Any], effort: str, budget: int | None
):
    call = completion({}, replace(COMPLETION, **asked), completions_as_chat=True)
    assert (call.requests[0].effort, call.requests[0].reasoning_budget) == (effort, budget)
    raw = completion({}, replace(COMPLETION, **asked))
    assert (raw.requests[0].effort, raw.requests[0].reasoning_budget) == (None, 0)


@pytest.mark.parametrize(
    ("body", "param"),
    [({"prompt": [1, 2]}, "prompt"), ({"prompt": [[1]]}, "prompt[0]"), ({"suffix": "b"}, "suffix")],
)
def test_messages_are_texts_without_gaps(body: dict[str, Any], param: str):
    assert refusal(body, completions_as_chat=True).param == param
