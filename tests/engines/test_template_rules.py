"""Answers of models with a chat template, held to what a request asks for: the model is a script
that obeys the worker's own rules.
"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import ServerError
from server.core.events import Answer
from server.core.messages import AssistantMessage, Tool
from server.core.request import GenerationRequest, GrammarOutput, JsonOutput
from server.formats.raw import EitherFormat
from server.formats.template import TemplateFormat
from tests.engines.models import limits
from tests.engines.scripted_session import ScriptedSession, answer_of
from tests.formats.templates import TODAY, bytes_vocabulary, model_text, request, source, user

QWEN = source("qwen3")
THOUGHT = "<think>\nHm.\n</think>\n\n"
LOOK = Tool(name="look", parameters={"type": "object"}, strict=True)
LOOK_UP = Tool(name="look_up", parameters={"type": "object"})
VALUES = ('{"a": 1}', "{}")


class Model:
    """A template's format over its vocabulary of bytes and markup."""

    def __init__(self, template: str) -> None:
        self.text = model_text({"": template})
        self.vocabulary = bytes_vocabulary(self.text)
        self.end = self.text.eos
        self.format = TemplateFormat(self.vocabulary, self.text, (self.end,), lambda: TODAY)

    def session(self, *texts: str) -> ScriptedSession:
        both = EitherFormat(chat=self.format, raw=self.format)
        return ScriptedSession(*texts, values=VALUES, speech=(self.vocabulary, both), end=self.end)

    async def answer(self, asked: GenerationRequest, *texts: str, **given: object) -> Answer:
        return await answer_of(self.session(*texts), asked, limits(**given))


QWEN_MODEL = Model(QWEN)
LLAMA_MODEL = Model(source("llama-headers"))
MISTRAL_MODEL = Model(source("mistral-nemo"))
DEEPSEEK_MODEL = Model(source("deepseek-r1-distill"))


async def test_answer_is_free_where_nothing_is_asked() -> None:
    answer = await QWEN_MODEL.answer(request(user("Hi")), THOUGHT + "Hello.")
    assert (answer.reasoning, answer.text) == ("Hm.", "Hello.")
    assert answer.finished.reason == "stop"
    assert answer.finished.warning is None


async def test_thought_is_left_when_its_budget_is_spent() -> None:
    asked = request(user("Hi"), reasoning_budget=20)
    answer = await QWEN_MODEL.answer(asked, "<think>" + "x" * 100 + "</think>Hello.")
    assert answer.reasoning == "x" * 20
    assert answer.finished.usage.reasoning_tokens == 20


async def test_thought_that_the_prompt_opened_is_left_too() -> None:
    asked = request(user("Hi"), reasoning_budget=20)
    answer = await DEEPSEEK_MODEL.answer(asked, "y" * 100)
    assert answer.reasoning == "y" * 20
    assert answer.text == "y" * 80


@pytest.mark.parametrize("model", [QWEN_MODEL, DEEPSEEK_MODEL])
async def test_thought_is_left_out_where_the_server_gives_it_no_tokens(model: Model) -> None:
    answer = await model.answer(request(user("Hi")), "Hello.", reasoning_budget=0)
    assert (answer.reasoning, answer.text) == (None, "Hello.")


async def test_thought_is_left_out_where_the_request_wants_none() -> None:
    session = QWEN_MODEL.session("Hello.")
    answer = await answer_of(session, request(user("Hi"), reasoning_budget=0))
    assert (answer.reasoning, answer.text) == (None, "Hello.")
    assert session.submitted[0].rules == []


async def test_who_ends_while_thinking_has_to_answer() -> None:
    session = QWEN_MODEL.session("<think>Hm.", "Yes.")
    answer = await answer_of(session, request(user("Hi")))
    assert (answer.reasoning, answer.text) == ("Hm.", "Yes.")
    assert len(session.submitted) == 2


@pytest.mark.parametrize("written", [THOUGHT + "Hello.", "Hello.", THOUGHT, "<think>", ""])
async def test_json_comes_after_the_thought(written: str) -> None:
    answer = await QWEN_MODEL.answer(request(user("Hi"), output=JsonOutput()), written)
    assert answer.text in VALUES
    assert answer.finished.reason == "stop"


@pytest.mark.parametrize("model", [LLAMA_MODEL, MISTRAL_MODEL])
async def test_json_is_the_answer_of_models_that_do_not_think(model: Model) -> None:
    answer = await model.answer(request(user("Hi"), output=JsonOutput()), "Well, hello!")
    assert answer.text in VALUES
    assert answer.reasoning is None


@pytest.mark.parametrize("model", [QWEN_MODEL, LLAMA_MODEL, MISTRAL_MODEL])
async def test_required_call_comes(model: Model) -> None:
    asked = request(user("Hi"), tools=(LOOK, LOOK_UP), tool_choice="required")
    answer = await model.answer(asked, "Well, hello!")
    (call,) = answer.tool_calls
    assert call.name in ("look", "look_up")
    assert call.arguments in VALUES
    assert answer.text is None
    assert answer.finished.reason == "tool_calls"


@pytest.mark.parametrize("model", [QWEN_MODEL, LLAMA_MODEL, MISTRAL_MODEL])
@pytest.mark.parametrize("name", ["look", "look_up"])
async def test_named_call_comes(model: Model, name: str) -> None:
    asked = request(
        user("Hi"), tools=(LOOK, LOOK_UP), tool_choice="required", callable_tools=(name,)
    )
    answer = await model.answer(asked, THOUGHT + "Well, hello!")
    assert [(call.name, call.arguments in VALUES) for call in answer.tool_calls] == [(name, True)]


async def test_strict_arguments_keep_to_their_schema() -> None:
    asked = request(user("Hi"), tools=(LOOK, LOOK_UP))
    loose = '<tool_call>\n{"name": "look", "arguments": {"a": 1}}'
    answer = await QWEN_MODEL.answer(asked, THOUGHT + "I look." + loose)
    assert answer.text == "I look."
    assert [(c.name, c.arguments) for c in answer.tool_calls] == [("look", '{"a": 1}')]
    free = await QWEN_MODEL.answer(asked, THOUGHT + "No need.")
    assert (free.text, free.tool_calls) == ("No need.", ())


async def test_call_is_one_of_those_that_may_be_called() -> None:
    asked = request(user("Hi"), tools=(LOOK_UP, Tool(name="run")), callable_tools=("run",))
    loose = '<tool_call>\n{"name": "look_up", "arguments": {}}'
    answer = await QWEN_MODEL.answer(asked, loose)
    assert [call.name for call in answer.tool_calls] == ["run"]


@pytest.mark.parametrize(
    ("model", "asked", "param"),
    [
        (LLAMA_MODEL, request(user("Hi"), tools=(LOOK,)), "tools"),
        (QWEN_MODEL, request(user("Hi"), tools=(LOOK,), output=JsonOutput()), "response_format"),
        (DEEPSEEK_MODEL, request(user("Hi"), tools=(LOOK,)), "tools"),
    ],
)
async def test_what_cannot_be_held_is_refused_by_name(
    model: Model, asked: GenerationRequest, param: str
) -> None:
    with pytest.raises(ServerError, match=f"^Unsupported parameter: '{param}'") as caught:
        await model.answer(asked, "Hi")
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")


async def test_form_after_a_thought_of_unknown_end_is_refused() -> None:
    text = model_text({"": source("deepseek-r1-distill")})
    plain = [name for name in range(256, len(text.tokens)) if b"think" not in text.tokens[name]]
    vocabulary = type(bytes_vocabulary(text))(
        text.tokens, plain, lambda each: [*each.encode("utf-8", "replace")]
    )
    speaks = TemplateFormat(vocabulary, text, (text.eos,), lambda: TODAY)
    asked = request(user("Hi"), output=JsonOutput())
    with pytest.raises(ServerError, match="thoughts end in more than one token"):
        speaks.rails(asked, 100)
    assert speaks.rails(request(user("Hi"), output=JsonOutput(), reasoning_budget=0)).rules
    with pytest.raises(ServerError, match="cannot be counted"):
        speaks.prompt(request(user("Hi"), reasoning_budget=50))
    assert speaks.rails(request(user("Hi")), 100).thinking is None


async def test_beginning_of_the_answer_is_gone_on_from() -> None:
    answer = await QWEN_MODEL.answer(request(user("Hi"), AssistantMessage(text="Once")), " upon")
    assert answer.text == " upon"


async def test_lengths_and_stops_hold() -> None:
    cut = await QWEN_MODEL.answer(request(user("Hi"), max_tokens=3), THOUGHT + "Hello.")
    assert (cut.text, cut.finished.reason) == ("Hel", "length")
    stopped = await QWEN_MODEL.answer(request(user("Hi"), stop=("lo",)), THOUGHT + "Hello.")
    assert (stopped.text, stopped.finished.stop_string) == ("Hel", "lo")
    longer = await QWEN_MODEL.answer(request(user("Hi"), min_tokens=4), THOUGHT)
    # The blanks after the thought count too.
    assert len(longer.text or "") >= 2


PHRASES = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        '{"name": "look", "arguments": {}}',
        "{}",
        "Hello",
        "\n",
        '{"a": 1}',
        "<|im_start|>",
        "é",
        "</s>",
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> GenerationRequest:
    tools = tuple(draw(st.lists(st.sampled_from([LOOK, LOOK_UP]), unique_by=lambda t: t.name)))
    choices = ["auto", "none", "required"] if tools else ["auto"]
    choice = draw(st.sampled_from(choices))
    forms = [None, JsonOutput(), GrammarOutput(text='root ::= "a"')]
    free = not tools or choice == "none"
    return request(
        user("Hi"),
        tools=tools,
        tool_choice=choice,
        output=draw(st.sampled_from(forms)) if free else None,
        max_tokens=draw(st.none() | st.integers(1, 30)),
        reasoning_budget=draw(st.sampled_from([None, 0, 8, 30])),
    )


@given(asked=requests(), texts=st.lists(st.lists(PHRASES, max_size=6).map("".join), max_size=3))
@settings(max_examples=150, deadline=None)
async def test_every_answer_is_one(asked: GenerationRequest, texts: list[str]) -> None:
    answer = await QWEN_MODEL.answer(asked, *texts)
    finished = answer.finished
    assert answer.text or answer.tool_calls or finished.warning
    offered = {tool.name for tool in asked.conversation.offered}
    assert len(answer.tool_calls) <= 1
    assert {call.name for call in answer.tool_calls} <= offered
    if asked.conversation.tool_choice == "required" and finished.reason == "tool_calls":
        assert answer.tool_calls[0].arguments in VALUES
    if asked.output is not None and finished.reason == "stop":
        assert json.loads(answer.text or "") is not None
    if asked.reasoning_budget:
        assert finished.usage.reasoning_tokens <= asked.reasoning_budget
