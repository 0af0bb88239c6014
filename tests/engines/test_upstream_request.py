"""Requests in other servers' words: everything that was asked, or a refusal by its name."""

from typing import Any

import msgspec
import pytest

from server.core.errors import ServerError
from server.core.messages import (
    AssistantMessage,
    Conversation,
    Image,
    Instructions,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.core.request import (
    UNLIMITED,
    GenerationRequest,
    GrammarOutput,
    JsonOutput,
    Sampling,
)
from server.engines.upstream import WIRES
from server.engines.upstream_exchange import Outgoing
from tests.engines.upstreams import asked, options, raw

TOOLS = (
    Tool(name="f", description="D", parameters={"type": "object"}, strict=True),
    Tool(name="g"),
)
F, G = (
    {
        "type": "function",
        "function": {
            "name": "f",
            "description": "D",
            "parameters": {"type": "object"},
            "strict": True,
        },
    },
    {"type": "function", "function": {"name": "g"}},
)
HI = {"role": "user", "content": "Hi"}
BARE = {
    "model": "m",
    "stream": True,
    "stream_options": {"include_usage": True},
    "messages": [HI],
}
CALL = ToolCall(id="c", name="f", arguments="{}")
PICTURE = Image(url="https://pics.example/1", detail="low", path="messages[0].content[1]")
SEEN = UserMessage(text="What?", parts=("What?", PICTURE))
SEEN_PARTS = [
    {"type": "text", "text": "What?"},
    {"type": "image_url", "image_url": {"url": "https://pics.example/1", "detail": "low"}},
]


def outgoing(request: GenerationRequest, wire: Any = "openai", **changes: Any) -> Outgoing:
    return WIRES[wire](options(wire=wire, **changes)).outgoing(request)


def body(request: GenerationRequest, wire: Any = "openai", **changes: Any) -> Any:
    return msgspec.json.decode(outgoing(request, wire, **changes).body)


def talk(*messages: Any, **more: Any) -> GenerationRequest:
    return asked(prompt=Conversation(messages=messages, **more))


def test_a_bare_request_says_no_more_than_it_must() -> None:
    assert body(asked(effort="medium")) == BARE


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("http://a/v1", "http://a/v1/chat/completions"),
        ("http://a/v1/", "http://a/v1/chat/completions"),
        ("http://a/v1/chat/completions", "http://a/v1/chat/completions"),
    ],
)
def test_addresses_may_be_written_in_several_ways(base_url: str, url: str) -> None:
    assert outgoing(asked(), base_url=base_url).url == url
    assert outgoing(raw(), base_url=base_url).url == "http://a/v1/completions"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"stop": ("a", "b")}, {"stop": ["a", "b"]}),
        ({"logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"logprobs": 0}, {"logprobs": True, "top_logprobs": 0}),
        (
            {"sampling": Sampling(temperature=0.0, top_p=0.5, seed=7, logit_bias={3: -1.0})},
            {"temperature": 0.0, "top_p": 0.5, "seed": 7, "logit_bias": {"3": -1.0}},
        ),
        (
            {"sampling": Sampling(frequency_penalty=1.0, presence_penalty=-1.0)},
            {"frequency_penalty": 1.0, "presence_penalty": -1.0},
        ),
        # Switched off is as good as not sent.
        ({"sampling": Sampling(top_k=0, min_p=0.0, repeat_penalty=1.0, mirostat=0)}, {}),
        ({"output": JsonOutput()}, {"response_format": {"type": "json_object"}}),
        (
            {"output": JsonOutput(schema={"type": "object"}, name="n", description="D")},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "n",
                        "description": "D",
                        "schema": {"type": "object"},
                        "strict": True,
                    },
                }
            },
        ),
    ],
)
def test_what_the_protocol_has_is_passed_on(more: Any, expected: Any) -> None:
    assert body(asked(**more)) == BARE | expected


def test_who_wants_all_there_is_room_for_names_no_length() -> None:
    assert body(asked(max_tokens=UNLIMITED, fit=True)) == BARE


def test_openai_itself_knows_lengths_by_their_newer_name() -> None:
    there = "https://api.openai.com/v1"
    assert body(asked(max_tokens=5), base_url=there) == BARE | {"max_completion_tokens": 5}
    assert body(asked(), base_url=there) == BARE
    assert body(raw(max_tokens=5), base_url=there)["max_tokens"] == 5


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (asked(sampling=Sampling(top_k=40)), "top_k"),
        (asked(sampling=Sampling(min_p=0.1)), "min_p"),
        (asked(sampling=Sampling(mirostat=2)), "mirostat"),
        (asked(min_tokens=3), "min_tokens"),
        (asked(reasoning_budget=100), "reasoning_budget"),
        (asked(output=GrammarOutput(text="root ::= [a]")), "grammar"),
        (raw(output=JsonOutput(path="json_schema")), "json_schema"),
        (raw(output=GrammarOutput(text="root ::= [a]")), "grammar"),
    ],
)
def test_what_it_has_not_is_refused_by_name(request_: GenerationRequest, param: str) -> None:
    with pytest.raises(ServerError, match=param) as caught:
        body(request_)
    assert (caught.value.kind, caught.value.param) == ("invalid", param)
    assert caught.value.code == "unsupported_parameter"


def test_effort_goes_to_those_that_reason() -> None:
    assert body(asked(effort="high"), reasoning=True)["reasoning_effort"] == "high"
    none = body(asked(effort="low", reasoning_budget=0), reasoning=True)
    assert none["reasoning_effort"] == "none"


def test_every_message_is_sent() -> None:
    request = talk(
        Instructions(text="S"),
        UserMessage(text="a"),
        AssistantMessage(text="b", reasoning="old"),
        SEEN,
        AssistantMessage(reasoning="look", tool_calls=(CALL,)),
        ToolResult(call_id="c", name="f", text="1"),
        AssistantMessage(reasoning="cut"),
    )
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    called = {"role": "assistant", "content": None, "tool_calls": [call]}
    expected = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": SEEN_PARTS},
        called,
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "assistant", "content": ""},
    ]
    assert body(request)["messages"] == expected
    expected[4] = called | {"reasoning": "look", "reasoning_content": "look"}
    assert body(request, reasoning=True)["messages"] == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, {"tools": [F, G]}),
        ({"tool_choice": "none"}, {"tools": [F, G], "tool_choice": "none"}),
        ({"tool_choice": "required"}, {"tools": [F, G], "tool_choice": "required"}),
        (
            {"tool_choice": "required", "callable_tools": ("g",)},
            {
                "tools": [F, G],
                "tool_choice": {"type": "function", "function": {"name": "g"}},
            },
        ),
        ({"callable_tools": ("g",)}, {"tools": [G]}),
    ],
)
def test_tools_and_their_choice_are_sent(more: Any, expected: Any) -> None:
    assert body(talk(UserMessage(text="Hi"), tools=TOOLS, **more)) == BARE | expected


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (raw("Once"), {"prompt": "Once", "max_tokens": 77}),
        (raw("Once", max_tokens=UNLIMITED, fit=True), {"prompt": "Once", "max_tokens": 77}),
        (raw((1, 2), suffix="end"), {"prompt": [1, 2], "suffix": "end", "max_tokens": 77}),
        (
            raw(max_tokens=3, logprobs=1, stop=("x",)),
            {"prompt": "Once", "max_tokens": 3, "logprobs": 1, "stop": ["x"]},
        ),
    ],
)
def test_raw_prompts_are_written_on_after(request_: GenerationRequest, expected: Any) -> None:
    common = {name: value for name, value in BARE.items() if name != "messages"}
    assert body(request_) == common | expected


def test_chatkit_gets_one_question_as_it_is() -> None:
    sent = outgoing(asked("Hi", effort="high"), "chatkit", base_url="http://a")
    text = {"text": "Hi", "content": [{"type": "input_text", "text": "Hi"}]}
    params = {"input": {**text, "quoted_text": "", "attachments": []}}
    assert msgspec.json.decode(sent.body) == {"op": "threads.create", "params": params}
    assert sent.url == "http://a/chatkit"
    assert sent.headers == {
        "x-selected-model": "m",
        "x-reasoning-effort": "high",
        "x-show-reasoning": "true",
    }
    assert outgoing(asked(), "chatkit", base_url="http://a/chatkit/").url == "http://a/chatkit"


TALK = (
    Instructions(text="S"),
    UserMessage(text="a"),
    AssistantMessage(text="b"),
    UserMessage(text="c"),
)


def test_chatkit_gets_all_of_a_conversation() -> None:
    text = body(talk(*TALK), "chatkit")["params"]["input"]["text"]
    assert text == "system: S\nuser: a\nassistant: b\nuser: c"


def test_vercel_gets_all_messages_in_a_session_of_its_own() -> None:
    sent = body(talk(*TALK, SEEN), "vercel", session_prefix="shop")
    assert sent["id"].startswith("shop-")
    assert sent["modelId"] == "m"
    said = [(message["role"], message["content"]) for message in sent["messages"]]
    assert said == [
        ("system", "S"),
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
        ("user", SEEN_PARTS),
    ]
    again = body(asked(), "vercel", base_url="http://a/api/chat")
    assert "-" in again["id"]
    assert again["id"] != sent["id"]
    assert outgoing(asked(), "vercel", base_url="http://a/api/chat").url == "http://a/api/chat"


@pytest.mark.parametrize("wire", ["chatkit", "vercel"])
@pytest.mark.parametrize(
    ("request_", "param"),
    [
        (raw(), "prompt"),
        (talk(UserMessage(text="Hi"), tools=TOOLS), "tools"),
        (talk(UserMessage(text="Hi"), AssistantMessage(tool_calls=(CALL,))), "messages"),
        (asked(output=JsonOutput()), "response_format"),
        (asked(stop=("a",)), "stop"),
        (asked(logprobs=0), "logprobs"),
        (asked(min_tokens=2), "min_tokens"),
        (asked(reasoning_budget=2), "reasoning_budget"),
        (asked(sampling=Sampling(logit_bias={1: 1.0})), "logit_bias"),
    ],
)
def test_those_that_take_a_conversation_alone_refuse_the_rest(
    wire: str, request_: GenerationRequest, param: str
) -> None:
    with pytest.raises(ServerError, match=param) as caught:
        body(request_, wire)
    assert (caught.value.kind, caught.value.param) == ("invalid", param)


@pytest.mark.parametrize("wire", ["chatkit", "vercel"])
def test_lengths_and_sampling_are_chosen_there(wire: str) -> None:
    request = asked(max_tokens=9, sampling=Sampling(temperature=0.7, top_k=1))
    sent, plain = body(request, wire), body(asked(), wire)
    for each in (sent, plain):
        each.pop("id", None)
    assert sent == plain
