"""Answers that are held to something, of a model that wants something else."""

from dataclasses import replace
from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.messages import AssistantMessage, Conversation, Tool, UserMessage
from server.core.request import GenerationRequest, JsonOutput
from tests.engines.models import limits
from tests.engines.scripted_session import CARD, ScriptedSession, answer_of
from tests.formats.vocabularies import spell, tiny_vocabulary, unspell

THINK = "<|channel|>analysis<|message|>Hm.<|end|>"
START = "<|start|>assistant"
FINAL = "<|channel|>final<|message|>"
CALL = "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{}<|call|>"
STRAY = "<|channel|>commentary to=functions.unknown <|constrain|>json<|message|>{}<|call|>"
WEATHER = Tool(name="get_weather", parameters={"type": "object"})
TOOLS = (WEATHER, Tool(name="do.it-now_2"), Tool(name="get"))


def request(*tools: Tool, **more: Any) -> GenerationRequest:
    conversation = {
        name: more.pop(name) for name in ("tool_choice", "callable_tools") if name in more
    }
    return GenerationRequest(
        id="test",
        prompt=Conversation(messages=(UserMessage(text="Hi"),), tools=tools, **conversation),
        **more,
    )


def said(session: ScriptedSession, turn: int = 0) -> str:
    """What the prompt of a submission has more than the first one."""
    first = session.submitted[0].prompt
    return unspell(tiny_vocabulary(), session.submitted[turn].prompt[len(first) :])


# --- tool_choice ----------------------------------------------------------------------------------

UNWILLING = {
    "an answer": f"{THINK}{START}{FINAL}Hi!<|return|>",
    "an answer at once": f"{FINAL}Hi!<|return|>",
    "the end": "<|return|>",
    "the end of text": "<|endoftext|>",
    "the end amid a thought": "<|channel|>analysis<|message|>Hm.<|return|>",
    "a call amid a thought": "<|channel|>analysis<|message|>Hm.<|call|>",
    "another message amid a thought": f"<|channel|>analysis<|message|>Hm.{START}{FINAL}Hi!",
    "another channel amid a thought": f"<|channel|>analysis<|message|>Hm.{FINAL}Hi!",
    "an unknown tool": f"{THINK}{START}{STRAY}",
    "a built-in tool": f"{THINK}{START}<|channel|>analysis to=python code<|message|>1<|call|>",
    "thoughts without end": "<|channel|>analysis<|message|>" + "Hm. " * 3000,
    "nothing": "",
}


@pytest.mark.parametrize("text", UNWILLING.values(), ids=UNWILLING)
@pytest.mark.parametrize("budget", [None, 0, 20])
@pytest.mark.parametrize("name", [tool.name for tool in TOOLS])
async def test_a_named_tool_is_called(text: str, budget: int | None, name: str) -> None:
    session = ScriptedSession(text, values=['{"a": 1}'])
    asked = request(*TOOLS, tool_choice="required", callable_tools=(name,), reasoning_budget=budget)
    answer = await answer_of(session, asked)
    (call,) = answer.tool_calls
    assert (call.name, call.arguments) == (name, '{"a": 1}')
    assert answer.finished.reason == "tool_calls"
    assert answer.text is None
    assert answer.finished.warning is None
    if budget == 0:
        assert answer.reasoning is None
    assert len(session.submitted) == 1


@pytest.mark.parametrize("text", UNWILLING.values(), ids=UNWILLING)
async def test_one_of_several_tools_is_called(text: str) -> None:
    answer = await answer_of(ScriptedSession(text), request(*TOOLS, tool_choice="required"))
    (call,) = answer.tool_calls
    assert call.name in {tool.name for tool in TOOLS}
    assert (answer.finished.reason, answer.text) == ("tool_calls", None)


@pytest.mark.parametrize("name", ["get", "get_weather", "do.it-now_2"])
async def test_the_model_chooses_which(name: str) -> None:
    call = CALL.replace("get_weather", name)
    session = ScriptedSession(f"{THINK}{START}{call}")
    answer = await answer_of(session, request(*TOOLS, tool_choice="required"))
    assert [called.name for called in answer.tool_calls] == [name]
    assert answer.reasoning == "Hm."


async def test_128_tools_can_be_chosen_from() -> None:
    tools = [Tool(name=f"tool_{n}.of-many{'x' * (n % 40)}") for n in range(128)]
    for tool in tools[::13]:
        session = ScriptedSession(f"{START}{CALL}".replace("get_weather", tool.name))
        answer = await answer_of(session, request(*tools, tool_choice="required"))
        assert [call.name for call in answer.tool_calls] == [tool.name]


async def test_tools_that_may_not_be_called_are_not() -> None:
    asked = request(*TOOLS, callable_tools=("get", "do.it-now_2"))
    answer = await answer_of(ScriptedSession(f"{THINK}{START}{CALL}"), asked)
    assert "get_weather" not in {call.name for call in answer.tool_calls}
    prompt = ScriptedSession("")
    await answer_of(prompt, asked)
    shown = unspell(tiny_vocabulary(), prompt.submitted[0].prompt)
    assert "type get_weather" in shown


async def test_tools_of_no_use_are_not_shown() -> None:
    session = ScriptedSession(f"{FINAL}Hi!<|return|>")
    answer = await answer_of(session, request(*TOOLS, tool_choice="none"))
    assert "get_weather" not in unspell(tiny_vocabulary(), session.submitted[0].prompt)
    assert answer.text == "Hi!"


async def test_strict_arguments_are_held_to_and_others_are_free() -> None:
    strict = replace(WEATHER, strict=True)
    wish = CALL.replace("{}", '{"b": 2}')
    session = ScriptedSession(f"{THINK}{START}{wish}", values=['{"a": 1}'])
    answer = await answer_of(session, request(strict, Tool(name="other")))
    assert answer.tool_calls[0].arguments == '{"a": 1}'
    free = await answer_of(
        ScriptedSession(f"{THINK}{START}{wish}"), request(strict, Tool(name="get_weather"))
    )
    assert free.tool_calls[0].name == "get_weather"
    plain = await answer_of(ScriptedSession(f"{THINK}{START}{wish}"), request(WEATHER))
    assert plain.tool_calls[0].arguments == '{"b": 2}'


async def test_strict_tools_leave_an_answer_and_a_preamble_free() -> None:
    strict = replace(WEATHER, strict=True)
    answer = await answer_of(
        ScriptedSession("analysis<|message|>Hm.<|end|>final<|message|>Hi!<|return|>"),
        request(strict),
    )
    assert (answer.text, answer.reasoning) == ("Hi!", "Hm.")
    said = "commentary<|message|>I look.<|end|>commentary to=functions.get_weather <|constrain|>"
    answer = await answer_of(ScriptedSession(f"{said}json<|message|>"), request(strict))
    assert (answer.preamble, answer.text) == ("I look.", None)
    assert [call.arguments for call in answer.tool_calls] == ["{}"]


# --- what is not there ----------------------------------------------------------------------------


@pytest.mark.parametrize("tools", [(), TOOLS], ids=["without tools", "with tools"])
async def test_a_call_of_what_is_not_there_is_answered_with_an_error(
    tools: tuple[Tool, ...],
) -> None:
    session = ScriptedSession(f"{THINK}{START}{STRAY}", f"{FINAL}Hi!<|return|>")
    answer = await answer_of(session, request(*tools))
    assert (answer.text, answer.tool_calls, answer.reasoning) == ("Hi!", (), "Hm.")
    assert answer.finished.reason == "stop"
    assert "functions.unknown" in str(answer.finished.warning)
    told = said(session, 1)
    assert told.startswith(f"{THINK}{START}{STRAY}<|start|>functions.unknown to=assistant")
    assert told.endswith("<|end|><|start|>assistant")
    assert ("functions.get_weather" in told) == bool(tools)


async def test_usage_and_times_of_all_turns_add_up() -> None:
    first, second = f"{THINK}{START}{STRAY}", f"{FINAL}Hi!<|return|>"
    session = ScriptedSession(first, second)
    finished = (await answer_of(session, request())).finished
    generated = len(spell(tiny_vocabulary(), first)) + len(spell(tiny_vocabulary(), second))
    assert finished.usage.completion_tokens == generated
    assert finished.usage.prompt_tokens == len(session.submitted[0].prompt)
    assert (finished.timings.prompt_s, finished.timings.generation_s) == (1.0, 0.5)


async def test_a_model_that_learns_nothing_is_ended() -> None:
    session = ScriptedSession(*[STRAY] * 9)
    answer = await answer_of(session, request(*TOOLS))
    assert len(session.submitted) == 4
    assert (answer.finished.reason, answer.text, answer.tool_calls) == ("stop", None, ())
    assert "not offered" in str(answer.finished.warning)
    assert "without writing anything" in str(answer.finished.warning)


async def test_a_tool_is_called_after_the_error() -> None:
    answer = await answer_of(ScriptedSession(STRAY, CALL), request(*TOOLS))
    assert [call.name for call in answer.tool_calls] == ["get_weather"]
    assert answer.finished.reason == "tool_calls"


async def test_without_room_for_the_error_the_answer_ends() -> None:
    prompt = ScriptedSession("")
    await answer_of(prompt, request())
    stray = len(spell(tiny_vocabulary(), STRAY))
    context = len(prompt.submitted[0].prompt) + stray + 3
    session = ScriptedSession(STRAY, card=replace(CARD, context_length=context))
    answer = await answer_of(session, request())
    assert len(session.submitted) == 1
    assert answer.finished.warning


# --- the form of the answer -----------------------------------------------------------------------


@pytest.mark.parametrize("text", UNWILLING.values(), ids=UNWILLING)
@pytest.mark.parametrize("budget", [None, 0, 20])
async def test_json_is_written(text: str, budget: int | None) -> None:
    session = ScriptedSession(text, values=['{"a": [1, 2]}'])
    answer = await answer_of(session, request(output=JsonOutput(), reasoning_budget=budget))
    assert (answer.text, answer.finished.reason) == ('{"a": [1, 2]}', "stop")
    assert answer.finished.warning is None
    if budget == 0:
        assert answer.reasoning is None


@pytest.mark.parametrize("text", UNWILLING.values(), ids=UNWILLING)
async def test_json_or_a_call_is_written(text: str) -> None:
    answer = await answer_of(ScriptedSession(text), request(*TOOLS, output=JsonOutput()))
    assert (answer.text == "{}") != bool(answer.tool_calls)
    assert all(call.arguments == "{}" for call in answer.tool_calls)


async def test_a_call_can_come_where_json_is_asked_for() -> None:
    session = ScriptedSession(f"{THINK}{START}{CALL}")
    answer = await answer_of(session, request(*TOOLS, output=JsonOutput()))
    assert ([call.name for call in answer.tool_calls], answer.text) == (["get_weather"], None)


async def test_json_that_is_cut_is_not_called_finished() -> None:
    session = ScriptedSession(values=['{"a": "something longer than that"}'])
    answer = await answer_of(session, request(output=JsonOutput(), max_tokens=5))
    assert answer.finished.reason == "length"
    assert (
        answer.text
        == b"".join(
            map(tiny_vocabulary().bytes_of, spell(tiny_vocabulary(), '{"a": "something')[:5])
        ).decode()
    )


async def test_json_is_not_stopped_amid() -> None:
    session = ScriptedSession(values=['{"a": 1}'])
    answer = await answer_of(session, request(output=JsonOutput(), stop=("a",)))
    assert (answer.text, answer.finished.reason) == ('{"a": 1}', "stop")
    assert "stop strings" in str(answer.finished.warning)


# --- lengths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 10])
async def test_max_tokens_counts_what_is_seen(count: int) -> None:
    text = "one two three four five six"
    session = ScriptedSession(f"{THINK}{START}{FINAL}{text}<|return|>")
    answer = await answer_of(session, request(max_tokens=count))
    ids = spell(tiny_vocabulary(), text)[:count]
    assert answer.text == b"".join(map(tiny_vocabulary().bytes_of, ids)).decode()
    assert answer.finished.reason == "length"
    assert answer.finished.warning is None
    assert session.halted == [1]


async def test_an_answer_of_just_that_length_is_whole() -> None:
    count = len(spell(tiny_vocabulary(), "one two"))
    session = ScriptedSession(f"{FINAL}one two<|return|>")
    answer = await answer_of(session, request(max_tokens=count))
    assert (answer.text, answer.finished.reason, session.halted) == ("one two", "stop", [])


async def test_max_tokens_counts_arguments_too() -> None:
    session = ScriptedSession(f"{THINK}{START}{CALL}", values=['{"a": 1, "b": 2}'])
    asked = request(*TOOLS, tool_choice="required", max_tokens=3)
    answer = await answer_of(session, asked)
    assert answer.finished.reason == "length"
    assert len(spell(tiny_vocabulary(), answer.tool_calls[0].arguments)) == 3


@pytest.mark.parametrize(
    ("effort", "budget"), [("low", 512), ("medium", 2048), ("high", 8192), (None, 2048)]
)
async def test_endless_thoughts_end_in_an_answer(effort: Any, budget: int) -> None:
    session = ScriptedSession("<|channel|>analysis<|message|>" + "Hm. " * 9000)
    answer = await answer_of(session, request(effort=effort, max_tokens=7))
    spent = answer.finished.usage.reasoning_tokens
    assert spent == min(budget, CARD.context_length - len(session.submitted[0].prompt) - 7 - 32)
    assert len(spell(tiny_vocabulary(), answer.text or "")) == 7
    assert (answer.finished.reason, answer.finished.warning) == ("length", None)


async def test_endless_thoughts_may_end_in_a_call() -> None:
    thought = "<|channel|>analysis<|message|>" + "Hm. " * 5
    call = CALL.removeprefix("<|channel|>")
    asked = request(*TOOLS, reasoning_budget=20)
    answer = await answer_of(ScriptedSession(thought + call), asked)
    assert answer.finished.usage.reasoning_tokens == 20
    assert [called.name for called in answer.tool_calls] == ["get_weather"]


async def test_thinking_on_after_the_budget_ends_in_an_answer() -> None:
    thought = "<|channel|>analysis<|message|>" + "Hm. " * 5
    session = ScriptedSession(f"{thought}analysis<|message|>Hi!<|return|>")
    answer = await answer_of(session, request(*TOOLS, reasoning_budget=20))
    assert answer.finished.usage.reasoning_tokens == 20
    assert (answer.text, answer.finished.reason) == ("Hi!", "stop")


async def test_nothing_is_read_after_a_call() -> None:
    session = ScriptedSession(CALL.replace("<|call|>", f"<|end|>{START}{FINAL}Hi!<|return|>"))
    answer = await answer_of(session, request(*TOOLS))
    assert ([call.name for call in answer.tool_calls], answer.text) == (["get_weather"], None)
    written = spell(tiny_vocabulary(), CALL.replace("<|call|>", "<|end|>"))
    assert answer.finished.usage.completion_tokens == len(written)
    assert session.halted == [1]


async def test_text_that_looked_like_a_header_is_not_too_long_either() -> None:
    for text in ("No header here. " * 40, "No header here.<|return|>"):
        answer = await answer_of(ScriptedSession(text), request(max_tokens=3))
        assert len(spell(tiny_vocabulary(), answer.text or "")) == 3
        assert answer.finished.reason == "length"


async def test_a_budget_is_kept_to_the_token() -> None:
    script = "<|channel|>analysis<|message|>" + "Hm. " * 900 + "<|end|>"
    for budget in (8, 50, 300):
        answer = await answer_of(ScriptedSession(script), request(reasoning_budget=budget))
        assert answer.finished.usage.reasoning_tokens == budget


async def test_no_budget_is_no_thought() -> None:
    answer = await answer_of(ScriptedSession(f"{THINK}Hi!<|return|>"), request(reasoning_budget=0))
    assert answer.reasoning is None
    assert answer.text
    assert answer.finished.usage.reasoning_tokens == 0


async def test_the_operators_budget_is_for_requests_that_name_none() -> None:
    script = "<|channel|>analysis<|message|>" + "Hm. " * 900
    given = limits(reasoning_budget=40)
    answer = await answer_of(ScriptedSession(script), request(), given)
    assert answer.finished.usage.reasoning_tokens == 40
    answer = await answer_of(ScriptedSession(script), request(reasoning_budget=60), given)
    assert answer.finished.usage.reasoning_tokens == 60


@pytest.mark.parametrize("room", [1, 2, 5, 9, 20, 40, 80, 200])
async def test_a_full_context_gives_an_answer_or_says_why_not(room: int) -> None:
    prompt = ScriptedSession("")
    await answer_of(prompt, request())
    context = len(prompt.submitted[0].prompt) + room
    script = "<|channel|>analysis<|message|>" + "Hm. " * 900
    session = ScriptedSession(script, card=replace(CARD, context_length=context))
    answer = await answer_of(session, request())
    assert answer.text or "room" in str(answer.finished.warning)
    assert answer.finished.reason == "length"
    assert room < 9 or answer.text


async def test_a_prompt_too_long_is_refused() -> None:
    session = ScriptedSession("", card=replace(CARD, context_length=20))
    with pytest.raises(ServerError) as caught:
        await answer_of(session, request())
    assert caught.value.kind == "context_too_long"


async def test_an_answer_has_its_least_length() -> None:
    session = ScriptedSession(f"{FINAL}Hi<|return|>")
    answer = await answer_of(session, request(min_tokens=9))
    assert len(spell(tiny_vocabulary(), answer.text or "")) >= 8
    assert answer.finished.usage.completion_tokens >= 9


# --- empty answers, begun answers -----------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["<|return|>", "<|channel|>analysis<|message|>Hm.<|return|>", THINK + "<|call|>"]
)
async def test_a_model_that_ends_without_an_answer_is_made_to_give_one(text: str) -> None:
    session = ScriptedSession(text, "Hi!<|return|>")
    answer = await answer_of(session, request())
    assert (answer.text, answer.finished.reason) == ("Hi!", "stop")
    assert "without an answer" in str(answer.finished.warning)
    assert said(session, 1).endswith(f"<|end|>{START}{FINAL}")


@pytest.mark.parametrize(
    ("text", "stop", "why"),
    [
        (f"{FINAL}<|return|>", (), "without writing anything"),
        (f"{FINAL}Hi!<|return|>", ("H",), "stop string"),
    ],
)
async def test_an_empty_answer_says_why(text: str, stop: tuple[str, ...], why: str) -> None:
    answer = await answer_of(ScriptedSession(text), request(stop=stop))
    assert (answer.text or "", answer.finished.reason) == ("", "stop")
    assert why in str(answer.finished.warning)


async def test_a_begun_answer_is_continued() -> None:
    messages = (UserMessage(text="Hi"), AssistantMessage(text="Once upon", reasoning="Hm."))
    asked = GenerationRequest(id="test", prompt=Conversation(messages=messages), min_tokens=4)
    session = ScriptedSession(" a time.<|return|>")
    answer = await answer_of(session, asked)
    assert (answer.text, answer.reasoning) == (" a time.", None)
    prompt = unspell(tiny_vocabulary(), session.submitted[0].prompt)
    assert prompt.endswith(f"{START}{THINK}{START}{FINAL}Once upon")
    minimum = session.submitted[0].minimum
    assert minimum is not None
    assert minimum.after == []


async def test_a_begun_answer_may_be_all_there_is() -> None:
    messages = (UserMessage(text="Hi"), AssistantMessage(text="Once upon a time."))
    asked = GenerationRequest(id="test", prompt=Conversation(messages=messages))
    answer = await answer_of(ScriptedSession("<|return|>"), asked)
    assert not answer.text
    assert "without writing anything" in str(answer.finished.warning)
