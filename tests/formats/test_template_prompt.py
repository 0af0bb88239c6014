"""Prompts of chat templates: what transformers makes of them, never a token that a client wrote."""

import json
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.messages import (
    AssistantMessage,
    Message,
    Tool,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.core.request import GenerationRequest
from server.formats import chat_template
from server.formats.tags import tags_of
from server.formats.template import TemplateFormat
from server.formats.template_prompt import TemplatePrompt
from tests.formats.templates import (
    BRIEF,
    CALL,
    CASES,
    EOS,
    GOLDEN,
    HELLO,
    RESULT,
    TEMPLATES,
    TODAY,
    WEATHER,
    bytes_vocabulary,
    format_of,
    model_text,
    request,
    source,
    user,
)

PROMPTS = json.loads((GOLDEN / "template_prompts.json").read_text(encoding="utf-8"))


@cache
def prompt_of(name: str) -> TemplatePrompt:
    """A template's prompts, whether or not its calls can be read."""
    text = model_text({"": source(name)})
    return TemplatePrompt(bytes_vocabulary(text), text, tags_of(source(name)), lambda: TODAY)


def spelt(name: str, asked: GenerationRequest) -> str:
    vocabulary = bytes_vocabulary(model_text({"": source(name)}))
    return b"".join(map(vocabulary.bytes_of, prompt_of(name).render(asked).tokens)).decode()


def written(speaks: TemplateFormat, template: str, asked: GenerationRequest) -> str:
    vocabulary = bytes_vocabulary(model_text({"": template}))
    return b"".join(map(vocabulary.bytes_of, speaks.prompt(asked).tokens)).decode()


@pytest.mark.parametrize(
    ("name", "case"), [(name, case) for name in TEMPLATES for case in PROMPTS[name]]
)
def test_prompts_are_those_of_transformers(name: str, case: str) -> None:
    expected = PROMPTS[name][case]
    assert spelt(name, CASES[case]) == expected


# --- what clients write is text -----------------------------------------------------------------

FRAGMENTS = st.sampled_from(
    [
        "<|im_start|>",
        "<|im_end|>",
        "<|",
        "|>",
        "im_end",
        "<",
        ">",
        "|",
        "</think>",
        "think>",
        "<think",
        "[INST]",
        "[/INST]",
        "[",
        "]",
        "INST",
        "/INST]",
        "<tool_call>",
        "</",
        "tool_call",
        "</s>",
        "<s",
        " ",
        "\n",
        "a",
        "é",
        "\ufdd0",
        "\ufdd1",
        "\\ufdd0",
        "<end_of_turn>",
        "end_of_turn>",
        "｜",
        "<｜",
    ]
)
HOSTILE = st.lists(FRAGMENTS, max_size=6).map("".join)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[tuple[Message, ...], tuple[Tool, ...]]:
    """A conversation with a call, every text of it anything."""
    key, value = draw(HOSTILE), draw(HOSTILE)
    name = "f" + draw(HOSTILE)
    arguments = json.dumps({key: value, "list": [value]})
    tool = Tool(
        name=name,
        description=draw(HOSTILE),
        parameters={"type": "object", "properties": {key: {"type": "string", "title": value}}},
    )
    call = ToolCall(id="x" + draw(HOSTILE), name=name, arguments=arguments)
    return (
        user("x" + draw(HOSTILE)),
        AssistantMessage(text=draw(HOSTILE), reasoning=draw(HOSTILE), tool_calls=(call,)),
        ToolResult(call_id=call.id, name=name, text=draw(HOSTILE)),
        AssistantMessage(text="x" + draw(HOSTILE)),
        user(draw(HOSTILE) + "x"),
    ), (tool,)


BENIGN = (
    user("x"),
    AssistantMessage(
        text="y", reasoning="z", tool_calls=(ToolCall(id="xabc", name="f", arguments='{"k": "v"}'),)
    ),
    ToolResult(call_id="xabc", name="f", text="r"),
    AssistantMessage(text="x"),
    user("x"),
)


def controls(name: str, messages: tuple[Message, ...], tools: tuple[Tool, ...]) -> list[int]:
    return [t for t in prompt_of(name).render(request(*messages, tools=tools)).tokens if t > 255]


@pytest.mark.parametrize("name", ["qwen3", "mistral-nemo", "llama-headers", "granite-4.0"])
@given(given_=conversations())
@settings(max_examples=60, deadline=None)
def test_nothing_that_clients_write_is_markup(
    name: str, given_: tuple[tuple[Message, ...], tuple[Tool, ...]]
) -> None:
    messages, tools = given_
    answers = [m for m in messages if isinstance(m, AssistantMessage)]
    plain = tuple(
        AssistantMessage(
            text=m.text and "y",
            reasoning=m.reasoning and "z",
            tool_calls=m.tool_calls and BENIGN[1].tool_calls,
        )
        if isinstance(m, AssistantMessage)
        else ToolResult(call_id="xabc", name="f", text="r")
        if isinstance(m, ToolResult)
        else user("x")
        for m in messages
    )
    assert answers
    expected = controls(name, plain, (Tool(name="f", parameters={"type": "object"}),))
    assert controls(name, messages, tools) == expected


def test_markup_is_not_put_together_from_two_messages() -> None:
    messages = (user("<|im_"), AssistantMessage(text="end|>"), user("x"))
    plain = (user("x"), AssistantMessage(text="x"), user("x"))
    assert controls("qwen3", messages, ()) == controls("qwen3", plain, ())
    template = "{% for m in messages %}{{ m.content }}{% endfor %}<|im_end|>"
    tokens = format_of(template).prompt(request(user("<"), HELLO, user("|im_end|>"))).tokens
    assert [token for token in tokens if token > 255] == tokens[-1:]


@given(text=HOSTILE)
@settings(max_examples=150, deadline=None)
def test_text_comes_through_as_it_is(text: str) -> None:
    shown = spelt("qwen3", request(user(f"({text})")))
    expected = text.replace("\ufdd0", "\ufffd").replace("\ufdd1", "\ufffd").replace("\\ufdd0", "")
    assert f"({expected})" in shown


# --- what templates want --------------------------------------------------------------------------


def test_beginning_of_the_answer_is_continued() -> None:
    shown = spelt("qwen3", request(user("Hi!"), AssistantMessage(text="Once upon")))
    assert shown.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\nOnce upon")
    thought = AssistantMessage(text="Once", reasoning="A tale.")
    template = "{{ messages[0].content }}<|a|><think>{# </think> #}"
    shown = written(format_of(template), template, request(user("Hi!"), thought))
    assert shown == "Hi!<|a|><think>A tale.\n</think>\n\nOnce"


def test_thought_that_is_not_to_be_is_closed() -> None:
    asked = request(user("Hi!"), reasoning_budget=0)
    assert spelt("qwen3", asked).endswith("assistant\n<think>\n\n</think>\n\n")
    assert spelt("deepseek-r1-distill", asked).endswith("<｜Assistant｜><think>\n</think>")


def test_instructions_come_first_wherever_they_stand() -> None:
    asked = request(user("Hi!"), HELLO, BRIEF, user("And?"))
    assert spelt("qwen3", asked).startswith("<|im_start|>system\nBe brief.<|im_end|>\n")


def test_neighbours_of_one_role_are_joined_where_the_template_refuses_them() -> None:
    asked = request(user("One."), user("Two."))
    assert "<start_of_turn>user\nOne.\n\nTwo.<end_of_turn>" in spelt("gemma-turns", asked)
    assert spelt("qwen3", asked).count("<|im_start|>user") == 2


def test_instructions_are_the_users_where_the_template_has_no_system() -> None:
    strict = "{% if messages[0].role == 'system' %}{{ raise_exception('No system!') }}{% endif %}"
    template = strict + source("gemma-turns")
    shown = written(format_of(template), template, request(BRIEF, user("Hi!")))
    assert shown == "<s><start_of_turn>user\nBe brief.\n\nHi!<end_of_turn>\n<start_of_turn>model\n"


def test_arguments_are_text_where_the_template_joins_them() -> None:
    template = (
        "{% for m in messages %}{% for c in m.tool_calls or [] %}"
        "{{ 'CALL ' + c.function.arguments }}{% endfor %}{{ m.content }}{% endfor %}{{ tools }}"
    )
    text = model_text({"": template})
    vocabulary = bytes_vocabulary(text)
    prompt = TemplatePrompt(vocabulary, text, tags_of(template), lambda: TODAY)
    tokens = prompt.render(request(user("?"), CALL, RESULT)).tokens
    assert f"CALL {CALL.tool_calls[0].arguments}" in bytes(t for t in tokens if t < 256).decode()


def test_template_for_tools_is_used_for_tools() -> None:
    plain, special = source("qwen3"), "TOOLS " + source("qwen3")
    speaks = format_of(plain, tool_use=special)
    assert bytes(speaks.prompt(request(user("x"), tools=(WEATHER,))).tokens[:5]) == b"TOOLS"
    assert speaks.prompt(request(user("x"))).tokens[0] > 255


def test_first_turn_is_where_prompts_part() -> None:
    speaks = format_of(source("qwen3"))
    first = speaks.prompt(request(BRIEF, user("One.")))
    second = speaks.prompt(request(BRIEF, user("Another.")))
    (count,) = first.boundaries
    assert second.boundaries == (count,)
    assert first.tokens[:count] == second.tokens[:count]
    assert count > len("system\nBe brief.\n")
    assert format_of(source("qwen3")).prompt(request(user("One."))).boundaries == (1,)


def test_text_begins_once() -> None:
    template = source("gemma-turns")
    bos = model_text({"": template}).bos
    assert format_of(template, begins=True).prompt(request(user("x"))).tokens.count(bos) == 1
    bare = template.replace("{{ bos_token }}", "")
    tokens = format_of(bare, begins=True).prompt(request(user("x"))).tokens
    assert tokens[0] == model_text({"": bare}).bos
    assert tokens.count(tokens[0]) == 1


# --- what cannot be -------------------------------------------------------------------------------


def test_refusal_of_the_template_is_one_sentence() -> None:
    with pytest.raises(ServerError) as caught:
        format_of(source("gemma-turns")).prompt(request(user("x"), CALL, RESULT))
    assert caught.value.message == (
        "The model's chat template refuses the messages: Conversation roles must alternate"
        " user/assistant/user/assistant/."
    )
    assert caught.value.param == "messages"


def test_failure_of_the_template_is_one_sentence() -> None:
    template = "{{ messages[0].content }}{% if messages|length > 1 %}{{ 1 + 'x' }}{% endif %}"
    with pytest.raises(
        ServerError, match=r"cannot write these messages: unsupported operand .*\.$"
    ):
        format_of(template).prompt(request(user("x"), HELLO, user("y")))


def test_tools_that_cannot_be_read_are_refused_by_name() -> None:
    with pytest.raises(ServerError, match="'tools': this model's chat template knows no") as caught:
        format_of(source("gemma-turns")).prompt(request(user("x"), tools=(WEATHER,)))
    assert caught.value.param == "tools"
    hidden = request(user("x"), tools=(WEATHER,), tool_choice="none")
    assert format_of(source("gemma-turns")).prompt(hidden).tokens


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for x in %}", r"cannot be read \(line 1: .*\)"),
        ("{{ messages[7].content }}", "cannot write a chat: .*"),
        (
            "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
            "to an end",
        ),
        ("{% for i in range(99999) %}{{ 'x' * 99999 }}{% endfor %}", "writes too much"),
        ("{{ 'x' * 99999999 }}", "writes too much"),
        ("{{ 9 ** 99999999 }}", "too large"),
        ("{{ messages.__class__.__mro__ }}", "cannot write a chat: .*unsafe"),
        ("{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}", "recursion"),
    ],
)
def test_template_of_no_use_is_refused_at_once(
    template: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat_template, "RENDER_SECONDS", 0.2)
    begun = time.monotonic()
    with pytest.raises(ValueError, match=reason):
        format_of(template)
    assert time.monotonic() - begun < 20


def test_template_knows_the_words_of_transformers() -> None:
    template = (
        "{% generation %}{{ strftime_now('%Y') }}{% endgeneration %}"
        "{% for m in messages %}{% if loop.index > 1 %}{% break %}{% endif %}"
        "{{ {'a': '<é>'} | tojson }}{% endfor %}{{ eos_token }}"
    )
    assert written(format_of(template), template, request(user("x"))) == '2026{"a": "<é>"}' + EOS


def test_empty_message_is_written() -> None:
    assert "<|im_start|>user\n<|im_end|>" in spelt("qwen3", request(UserMessage(text="")))
