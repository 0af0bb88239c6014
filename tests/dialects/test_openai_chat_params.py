"""Every parameter of a chat request: what it becomes, and how its wrong values are refused."""

from dataclasses import replace
from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.request import Sampling
from server.dialects.openai_chat_body import OTHER_FIELDS
from tests.dialects.asking import ASKED, MESSAGES, call

HUGE = 10**30
TOOL = {"type": "function", "function": {"name": "f"}}


def refusal(body: dict[str, Any], **limits: Any) -> ServerError:
    with pytest.raises(ServerError) as caught:
        call(body, **limits)
    assert caught.value.kind == "invalid"
    assert caught.value.message.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("body", "sampling"),
    [
        ({}, {}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"temperature": 2}, {"temperature": 2.0}),
        ({"temperature": None}, {}),
        ({"top_p": 0.5}, {"top_p": 0.5}),
        ({"top_p": 0, "temperature": 1}, {"temperature": 0.0}),
        ({"top_k": 50}, {"top_k": 50}),
        ({"top_k": 50.0}, {"top_k": 50}),
        ({"top_k": -1}, {"top_k": 0}),
        ({"min_p": 0.05}, {"min_p": 0.05}),
        ({"typical_p": 0.9}, {"typical_p": 0.9}),
        ({"repeat_penalty": 1.1}, {"repeat_penalty": 1.1}),
        ({"repetition_penalty": 1.2}, {"repeat_penalty": 1.2}),
        ({"repeat_penalty": 1.1, "repetition_penalty": 1.2}, {"repeat_penalty": 1.1}),
        ({"repeat_last_n": 128}, {"repeat_last_n": 128}),
        ({"repeat_last_n": -1}, {"repeat_last_n": 131072}),
        ({"frequency_penalty": -2}, {"frequency_penalty": -2.0}),
        ({"presence_penalty": 2}, {"presence_penalty": 2.0}),
        (
            {"mirostat": 2, "mirostat_tau": 4.5, "mirostat_eta": 0.2},
            {"mirostat": 2, "mirostat_tau": 4.5, "mirostat_eta": 0.2},
        ),
        ({"seed": 7}, {"seed": 7}),
        ({"seed": -1}, {}),
        ({"seed": 2**32 + 3}, {"seed": 3}),
        ({"logit_bias": {"100": -100, "7": 0.5}}, {"logit_bias": {100: -100.0, 7: 0.5}}),
        ({"top_n_sigma": 1.5}, {"top_n_sigma": 1.5}),
        ({"top_n_sigma": -1}, {"top_n_sigma": 0.0}),
        (
            {"xtc_probability": 0.5, "xtc_threshold": 0.2},
            {"xtc_probability": 0.5, "xtc_threshold": 0.2},
        ),
        (
            {"dry_multiplier": 0.8, "dry_base": 2, "dry_allowed_length": 3},
            {"dry_multiplier": 0.8, "dry_base": 2.0, "dry_allowed_length": 3},
        ),
        ({"dry_penalty_last_n": 100}, {"dry_penalty_last_n": 100}),
        ({"dry_penalty_last_n": -1}, {"dry_penalty_last_n": 131072}),
    ],
)
def test_sampling_is_taken(body: dict[str, Any], sampling: dict[str, Any]):
    (request,) = call(body).requests
    assert request.sampling == Sampling(**sampling)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"max_tokens": None, "stop": (), "logprobs": None}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"max_tokens": 256.0}, {"max_tokens": 256}),
        ({"max_tokens": -1}, {"max_tokens": None}),
        ({"max_tokens": 0}, {"max_tokens": None}),
        ({"max_tokens": None}, {"max_tokens": None}),
        ({"stop": "END"}, {"stop": ("END",)}),
        ({"stop": ["a", "b"]}, {"stop": ("a", "b")}),
        ({"stop": []}, {"stop": ()}),
        ({"stop": None}, {"stop": ()}),
        ({"logprobs": True}, {"logprobs": 0}),
        ({"logprobs": True, "top_logprobs": 20}, {"logprobs": 20}),
        ({"logprobs": False}, {"logprobs": None}),
        ({"top_logprobs": 0}, {"logprobs": None}),
        ({"min_tokens": 7}, {"min_tokens": 7}),
        ({}, {"min_tokens": 0, "reasoning_budget": None, "output": None}),
        ({"reasoning_budget": 100}, {"reasoning_budget": 100}),
        ({"thinking_budget": 0}, {"reasoning_budget": 0}),
        ({"reasoning": {"max_tokens": 64}}, {"reasoning_budget": 64}),
        ({"reasoning_budget": -1}, {"reasoning_budget": None}),
        ({"reasoning_effort": "none"}, {"reasoning_budget": 0, "effort": "low"}),
        ({"reasoning_effort": "none", "thinking_budget": 5}, {"reasoning_budget": 5}),
        ({"reasoning_effort": "minimal"}, {"reasoning_budget": None, "effort": "low"}),
    ],
)
def test_request_is_taken(body: dict[str, Any], fields: dict[str, Any]):
    (request,) = call(body).requests
    assert {name: getattr(request, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("temperature", 2.1),
        ("temperature", -0.1),
        ("temperature", HUGE),
        ("temperature", "hot"),
        ("temperature", "0.7"),
        ("temperature", True),
        ("temperature", [1]),
        ("top_p", 1.1),
        ("top_p", -0.1),
        ("top_k", -2),
        ("top_k", 1.5),
        ("top_k", HUGE),
        ("top_k", True),
        ("min_p", 2),
        ("typical_p", 0),
        ("repeat_penalty", 0),
        ("repetition_penalty", 11),
        ("repeat_last_n", -2),
        ("frequency_penalty", 2.5),
        ("presence_penalty", -2.5),
        ("mirostat", 3),
        ("mirostat_tau", -1),
        ("mirostat_eta", 2),
        ("top_n_sigma", -2),
        ("xtc_probability", 1.5),
        ("xtc_threshold", -1),
        ("dry_multiplier", -1),
        ("dry_base", 0.5),
        ("dry_allowed_length", -1),
        ("dry_penalty_last_n", -2),
        ("min_tokens", -1),
        ("reasoning_budget", -2),
        ("thinking_budget", "much"),
        ("timings", "yes"),
        ("timings_per_token", 1),
        ("seed", "7"),
        ("seed", HUGE),
        ("seed", 1.5),
        ("seed", False),
        ("max_tokens", -2),
        ("max_tokens", HUGE),
        ("max_tokens", "5"),
        ("max_completion_tokens", -5),
        ("n", 0),
        ("n", 5),
        ("n", HUGE),
        ("n", "2"),
        ("stop", [""]),
        ("stop", ""),
        ("stop", ["a"] * 17),
        ("stop", 5),
        ("stream", "yes"),
        ("stream", 1),
        ("stream_options", []),
        ("model", 5),
        ("messages", "Hi"),
        ("messages", None),
        ("messages", []),
        ("messages", {}),
        ("top_logprobs", 5),
        ("top_logprobs", 21),
        ("top_logprobs", -1),
        ("logprobs", 3),
        ("logit_bias", []),
        ("logit_bias", {"a": 1}),
        ("logit_bias", {"-1": 1}),
        ("logit_bias", {"9" * 10: 1}),
        ("reasoning_effort", "enormous"),
        ("reasoning_effort", 3),
        ("reasoning", "high"),
        ("tools", {}),
        ("tool_choice", 5),
        ("response_format", "json"),
        ("modalities", "text"),
    ],
)
def test_wrong_value_is_refused_by_name(param: str, value: Any):
    assert refusal({param: value}).param == param


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"stop": ["a", None]}, "stop[1]"),
        ({"stream_options": {"include_usage": "yes"}}, "stream_options.include_usage"),
        ({"reasoning": {"effort": "enormous"}}, "reasoning.effort"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [*MESSAGES, {"content": "Hi"}]}, "messages[1].role"),
    ],
)
def test_deep_fault_is_named_by_its_path(body: dict[str, Any], param: str):
    assert refusal(body).param == param


def test_missing_field_has_its_own_code():
    error = refusal({"messages": [{"content": "Hi"}]})
    assert error.code == "missing_required_parameter"
    assert error.message == "Missing required parameter: 'messages[0].role'."


@pytest.mark.parametrize("param", sorted(OTHER_FIELDS.refused))
def test_what_cannot_be_done_is_refused_by_name(param: str):
    error = refusal({param: {"a": 1}})
    assert (error.param, error.code) == (param, "unsupported_parameter")
    assert call({param: None}).unknown == ()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"modalities": ["text", "audio"]}, "modalities[1]"),
    ],
)
def test_unavailable_value_is_refused_by_name(body: dict[str, Any], param: str):
    error = refusal(body)
    assert (error.param, error.code) == (param, "unsupported_parameter")


def test_what_is_asked_as_it_is_anyway_is_taken():
    assert call({"modalities": ["text"], "response_format": {"type": "text"}}).unknown == ()


def test_harmless_fields_are_ignored_even_when_strict():
    body = {name: {"any": ["thing"]} for name in OTHER_FIELDS.ignored}
    assert call(body, strict_params=True).unknown == ()


def test_unknown_fields_are_named_and_refused_when_strict():
    assert call({"zeta": 1, "alpha": 2}).unknown == ("alpha", "zeta")
    error = refusal({"zeta": 1, "alpha": 2}, strict_params=True)
    assert (error.param, error.code) == ("alpha", "unknown_parameter")


def test_the_least_length_is_not_above_the_most():
    assert refusal({"min_tokens": 6, "max_tokens": 5}).param == "min_tokens"
    assert call({"min_tokens": 5, "max_tokens": 5}).requests[0].min_tokens == 5


@pytest.mark.parametrize("field", ["timings", "timings_per_token"])
def test_timings_are_given_when_asked_for(field: str):
    assert call({field: True}).reply.style.timings
    assert not call({field: False}).reply.style.timings


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tool_choice": "required", "tools": [TOOL]}, "tool_choice"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"grammar": "root ::= [a-z]+"}, "grammar"),
    ],
)
def test_an_answer_that_is_begun_has_no_other_form(body: dict[str, Any], param: str):
    begun = [*MESSAGES, {"role": "assistant", "content": "Once"}]
    assert refusal({"messages": begun, **body}).param == param
    assert call({"messages": begun}).requests[0].conversation.begun == "Once"


def test_several_choices_have_consecutive_seeds_and_their_own_ids():
    requests = call({"n": 3, "seed": 2**32 - 1}).requests
    assert [request.sampling.seed for request in requests] == [2**32 - 1, 0, 1]
    assert [request.id for request in requests] == ["chatcmpl-1", "chatcmpl-1-1", "chatcmpl-1-2"]
    assert len({request.conversation for request in [requests[0], requests[2]]}) == 1


def test_choices_without_a_seed_stay_without():
    assert [request.sampling.seed for request in call({"n": 2}).requests] == [None, None]


def test_limit_of_output_tokens_is_said():
    assert call({"max_tokens": 100}, output_tokens_limit=100).requests[0].max_tokens == 100
    error = refusal({"max_completion_tokens": 101}, output_tokens_limit=100)
    assert error.param == "max_completion_tokens"
    assert "100" in error.message
    assert refusal({"max_tokens": 101}, output_tokens_limit=100).param == "max_tokens"


@pytest.mark.parametrize(
    ("word", "effort", "shown"),
    [
        ("none", "low", False),
        ("minimal", "low", False),
        ("low", "low", True),
        ("Medium", "medium", True),
        ("high", "high", True),
        ("xhigh", "high", True),
        ("max", "high", True),
    ],
)
def test_effort_is_mapped(word: str, effort: str, shown: bool):
    asked = call({"reasoning_effort": word})
    assert asked.requests[0].effort == effort
    assert bool(asked.reply.style.reasoning_fields) is shown


def test_effort_of_the_header_wins_then_the_body_then_the_suffix_then_the_default():
    everywhere = replace(ASKED, effort_header="high", effort_suffix="low")
    body = {"reasoning_effort": "medium", "reasoning": {"effort": "low"}}
    assert call(body, everywhere).requests[0].effort == "high"
    no_header = replace(everywhere, effort_header=None)
    assert call(body, no_header).requests[0].effort == "medium"
    assert call({"reasoning": {"effort": "high"}}, no_header).requests[0].effort == "high"
    assert call({}, no_header).requests[0].effort == "low"
    assert call({}, effort_default="high").requests[0].effort == "high"
    with pytest.raises(ServerError) as caught:
        call({}, replace(ASKED, effort_header="vast"))
    assert caught.value.param == "x-reasoning-effort"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ("reasoning", "reasoning_content")),
        ({"include_reasoning": True}, ("reasoning", "reasoning_content")),
        ({"include_reasoning": False}, ()),
        ({"reasoning": {"exclude": True}}, ()),
    ],
)
def test_reasoning_is_shown_unless_excluded(body: dict[str, Any], fields: tuple[str, ...]):
    assert call(body).reply.style.reasoning_fields == fields


def test_operator_can_switch_the_second_name_of_reasoning_off():
    assert call({}, reasoning_alias=False).reply.style.reasoning_fields == ("reasoning",)
