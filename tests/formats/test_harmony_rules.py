"""The rails of requests: which of them are bound, and to what."""

from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.messages import AssistantMessage, Conversation, Tool, UserMessage
from server.core.request import GenerationRequest, GrammarOutput, JsonOutput
from server.formats.base import Rails
from server.formats.harmony_markers import Markers
from server.formats.harmony_rules import HarmonyRules
from server.formats.vocabulary import Vocabulary
from tests.formats.vocabularies import spell, unspell

F, G = Tool(name="f", parameters={"type": "object"}), Tool(name="g")
STRICT = Tool(name="s", parameters={"type": "object"}, strict=True, path="tools[0].function")
HI = UserMessage(text="Hi")


def rails(vocabulary: Vocabulary, *tools: Tool, **more: Any) -> Rails:
    said = {name: more.pop(name) for name in ("tool_choice", "callable_tools") if name in more}
    conversation = Conversation(messages=(HI,), tools=tools, **said)
    request = GenerationRequest(id="r", prompt=conversation, **more)
    return HarmonyRules(vocabulary, Markers.of(vocabulary)).rails(request)


def choices(vocabulary: Vocabulary, held: Rails, suffix: str) -> list[str]:
    """What may be written after a suffix, as text."""
    (rule,) = [rule for rule in held.rules if rule.suffix == tuple(spell(vocabulary, suffix))]
    force = unspell(vocabulary, list(rule.force))
    if rule.grammar is None or rule.grammar.kind != "choice":
        return [force]
    end = vocabulary.bytes_of(rule.grammar.end).decode()
    return [f"{force}{unspell(vocabulary, list(ids))}{end}" for ids in rule.grammar.choices]


THINK, FINAL = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"
SAY = "<|channel|>commentary<|message|>"
NEXT = "<|start|>assistant"


def call(name: str) -> str:
    return f"<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>"


@pytest.mark.parametrize("vocabulary", ["tiny", "real"])
@pytest.mark.parametrize(
    ("tools", "more", "first", "later"),
    [
        ((F,), {"tool_choice": "required"}, [THINK, call("f")], [call("f")]),
        (
            (F, G),
            {"tool_choice": "required"},
            [THINK, call("f"), call("g")],
            [call("f"), call("g")],
        ),
        ((F, G), {"tool_choice": "required", "callable_tools": ("g",)}, None, [call("g")]),
        (
            (F, G),
            {"tool_choice": "required", "reasoning_budget": 0},
            [call("f"), call("g")],
            [call("f"), call("g")],
        ),
        ((), {"output": JsonOutput()}, [THINK, FINAL], [FINAL]),
        ((), {"output": JsonOutput(), "reasoning_budget": 0}, [FINAL], [FINAL]),
        ((F,), {"output": JsonOutput()}, [THINK, FINAL, call("f")], [FINAL, call("f")]),
        ((F,), {"output": JsonOutput(), "tool_choice": "none"}, [THINK, FINAL], [FINAL]),
        ((), {"reasoning_budget": 0}, [FINAL], [FINAL]),
        ((F,), {"reasoning_budget": 0}, [FINAL, SAY, call("f")], [FINAL, SAY, call("f")]),
        ((STRICT,), {}, [THINK, FINAL, SAY, call("s")], [FINAL, SAY, call("s")]),
        ((F, G), {"callable_tools": ("g",)}, None, [FINAL, SAY, call("g")]),
        ((F,), {"min_tokens": 5}, None, [FINAL, SAY, call("f")]),
    ],
)
def test_headers_are_these(
    request: pytest.FixtureRequest,
    vocabulary: str,
    tools: tuple[Tool, ...],
    more: dict[str, Any],
    first: list[str] | None,
    later: list[str],
) -> None:
    words: Vocabulary = request.getfixturevalue(vocabulary)
    held = rails(words, *tools, **more)
    assert choices(words, held, "") == (first or [THINK, *later])
    assert choices(words, held, "<|end|>") == [NEXT + head for head in later]
    for stray in ("<|start|>", "<|channel|>"):
        (rule,) = [rule for rule in held.rules if rule.suffix == tuple(spell(words, stray))]
        assert rule.instead
        assert choices(words, held, stray) == [f"<|end|>{NEXT}{head}" for head in later]


@pytest.mark.parametrize(
    ("tools", "more"),
    [((), {}), ((F, G), {}), ((F,), {"tool_choice": "none"}), ((STRICT,), {"tool_choice": "none"})],
)
def test_other_requests_are_free(
    tiny: Vocabulary, tools: tuple[Tool, ...], more: dict[str, Any]
) -> None:
    held = rails(tiny, *tools, **more)
    assert not any(rule.grammar for rule in held.rules)
    assert not any(rule.suffix == () for rule in held.rules)
    assert held.thinking is not None
    leave = unspell(tiny, list(held.thinking.leave))
    offered = bool(tools) and "tool_choice" not in more
    assert leave == ("<|end|><|start|>assistant<|channel|>" if offered else f"<|end|>{NEXT}{FINAL}")


def test_the_end_is_the_models_own_where_text_is_free(tiny: Vocabulary) -> None:
    stops = {(token,) for token in Markers.of(tiny).stops}
    bound = {rule.suffix for rule in rails(tiny, output=JsonOutput()).rules}
    assert stops <= bound
    assert not stops & {rule.suffix for rule in rails(tiny, STRICT).rules}


@pytest.mark.parametrize(
    ("output", "kind", "text"),
    [
        (JsonOutput(schema={"type": "array"}), "json_schema", "array"),
        (JsonOutput(), "json_schema", "object"),
        (GrammarOutput(text='root ::= "a"'), "gbnf", 'root ::= "a"'),
    ],
)
def test_the_answer_has_its_form(tiny: Vocabulary, output: Any, kind: str, text: str) -> None:
    held = rails(tiny, output=output)
    (rule,) = [rule for rule in held.rules if rule.suffix == tuple(spell(tiny, FINAL))]
    assert rule.grammar is not None
    assert (rule.grammar.kind, rule.grammar.end) == (kind, tiny.special("<|return|>"))
    assert text in rule.grammar.text


def arguments_of(vocabulary: Vocabulary, held: Rails) -> dict[str, str]:
    end = vocabulary.special("<|call|>")
    return {
        unspell(vocabulary, list(rule.suffix)): rule.grammar.text
        for rule in held.rules
        if rule.grammar and rule.grammar.end == end
    }


def test_arguments_are_held_to_where_promised(tiny: Vocabulary) -> None:
    auto = arguments_of(tiny, rails(tiny, STRICT, F))
    assert list(auto) == [call("s").removeprefix("<|channel|>")]
    must = arguments_of(tiny, rails(tiny, STRICT, F, G, tool_choice="required"))
    assert list(must) == [call(name).removeprefix("<|channel|>") for name in "sfg"]
    assert len(arguments_of(tiny, rails(tiny, F, G, min_tokens=1))) == 2


def test_a_begun_answer_is_free(tiny: Vocabulary) -> None:
    conversation = Conversation(messages=(HI, AssistantMessage(text="Once")))
    request = GenerationRequest(id="r", prompt=conversation, reasoning_budget=0)
    held = HarmonyRules(tiny, Markers.of(tiny)).rails(request)
    assert (held.rules, held.speech) == ((), ())


def test_a_schema_that_cannot_be_held_to_is_refused_where_it_was_promised(tiny: Vocabulary) -> None:
    bad = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
    strict = Tool(name="s", parameters=bad, strict=True, path="tools[0].function")
    with pytest.raises(ServerError) as caught:
        rails(tiny, strict)
    assert caught.value.kind == "invalid"
    assert str(caught.value.param).startswith("tools[0].function.parameters")
    with pytest.raises(ServerError) as caught:
        rails(tiny, output=JsonOutput(schema=bad, path="response_format.json_schema.schema"))
    assert str(caught.value.param).startswith("response_format.json_schema.schema")
    free = Tool(name="s", parameters=bad)
    must = arguments_of(tiny, rails(tiny, free, tool_choice="required"))
    assert "not" not in must[call("s").removeprefix("<|channel|>")]
