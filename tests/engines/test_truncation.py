"""What is left out of a conversation that is too long, and what never is."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.messages import (
    AssistantMessage,
    Conversation,
    Instructions,
    Message,
    ToolCall,
    ToolResult,
    UserMessage,
)
from server.core.request import GenerationRequest
from server.engines.truncation import ROUNDING, fitted, removable
from server.formats.base import Prompt


def user(text: str = "u") -> UserMessage:
    return UserMessage(text=text)


def said(text: str = "a") -> AssistantMessage:
    return AssistantMessage(text=text)


def called(*ids: str) -> AssistantMessage:
    return AssistantMessage(tool_calls=tuple(ToolCall(id=i, name="f", arguments="") for i in ids))


def result(call_id: str, text: str = "r") -> ToolResult:
    return ToolResult(call_id=call_id, name="f", text=text)


RULES = Instructions(text="s")


@pytest.mark.parametrize(
    ("messages", "units"),
    [
        ([], []),
        ([user()], []),
        ([RULES, user(), said(), user()], [[1], [2]]),
        ([user(), RULES, said(), user(), RULES], [[0], [2]]),
        # What the assistant has begun to say stays, and so does the question before it.
        ([user(), said(), user(), said()], [[0], [1]]),
        # A call goes with its results, wherever they are.
        ([user(), called("x", "y"), result("y"), result("x"), user()], [[0], [1, 2, 3]]),
        ([user(), called("x"), said(), result("x"), user()], [[0], [1, 3], [2]]),
        # After the last question, the last call stays with all its results.
        (
            [user(), called("x"), result("x"), called("y", "z"), result("y"), result("z")],
            [[1, 2]],
        ),
        # The same id again is another call.
        (
            [user(), called("x"), result("x"), called("x"), result("x"), said(), user()],
            [[0], [1, 2], [3, 4], [5]],
        ),
        ([result("lost"), user()], [[0]]),
        ([user(), said(), result("lost")], [[1]]),
    ],
)
def test_what_may_be_left_out(messages: list[Message], units: list[list[int]]) -> None:
    assert removable(messages) == units


def render(request: GenerationRequest) -> Prompt:
    """A token for every letter, and one for every message."""
    tokens: list[int] = []
    for message in request.conversation.messages:
        tokens += [0, *map(ord, getattr(message, "text", None) or "")]
    return Prompt(tokens=tokens, stop_ids=())


def asked(*messages: Message, truncate: bool = True) -> GenerationRequest:
    return GenerationRequest(id="r", prompt=Conversation(messages=messages), truncate=truncate)


def texts(request: GenerationRequest) -> str:
    return " ".join(getattr(each, "text", None) or "-" for each in request.conversation.messages)


def test_what_fits_is_left_as_it_is() -> None:
    request = asked(RULES, user(), said(), user())
    assert fitted(request, render, 8).request is request
    unwilling = replace(request, truncate=False)
    assert fitted(unwilling, render, 1).request is unwilling


def test_as_little_as_makes_it_fit_goes() -> None:
    # Each takes 4 tokens, and a quarter of the limit is 4.
    request = asked(*(user(f"{number}aa") for number in range(6)))
    assert texts(fitted(request, render, 16).request) == "2aa 3aa 4aa 5aa"
    assert fitted(request, render, 16).left_out == 2
    # 2 too many of 22 are rounded up to 5.
    assert texts(fitted(request, render, 22).request) == "1aa 2aa 3aa 4aa 5aa"


def test_the_cut_stays_where_it_is_while_a_conversation_grows() -> None:
    limit = 400
    turns: list[Message] = [RULES]
    firsts = []
    for number in range(100):
        turns += [user(f"question {number}"), said(f"answer {number}")]
        found = fitted(asked(*turns, user("now")), render, limit)
        assert len(found.prompt.tokens) <= limit
        if found.left_out:
            firsts.append(found.request.conversation.messages[1])
    moves = sum(one != other for one, other in pairwise(firsts))
    grown = len(render(asked(*turns)).tokens)
    # Once a quarter, and once more where the messages do not end at one.
    assert moves <= 2 * grown // (limit // ROUNDING)
    assert moves < len(firsts) / 2


def test_no_more_goes_than_the_excess_rounded_up() -> None:
    request = asked(user("x" * 10), user("y" * 80), said("z" * 4), user("q"))
    assert texts(fitted(request, render, 90).request) == f"{'y' * 80} zzzz q"


def test_what_cannot_fit_is_as_short_as_can_be() -> None:
    found = fitted(asked(RULES, user(), said(), user("x" * 50)), render, 20)
    assert texts(found.request) == f"s {'x' * 50}"
    alone = fitted(asked(user("x" * 50)), render, 20)
    assert (alone.left_out, len(alone.prompt.tokens)) == (0, 51)


MESSAGES = st.lists(
    st.sampled_from("suart").flatmap(lambda kind: st.tuples(st.just(kind), st.integers(0, 30))),
    max_size=30,
)


def conversation(drawn: list[tuple[str, int]]) -> tuple[Message, ...]:
    made: list[Message] = []
    for index, (kind, length) in enumerate(drawn):
        text = "x" * length
        match kind:
            case "s":
                made.append(Instructions(text=text))
            case "u":
                made.append(user(text))
            case "a":
                made.append(said(text))
            case _:
                made += [called(str(index)), result(str(index), text)]
    return tuple(made)


@given(drawn=MESSAGES, limit=st.integers(1, 200))
def test_nothing_that_matters_goes(drawn: list[tuple[str, int]], limit: int) -> None:
    messages = conversation(drawn)
    found = fitted(asked(*messages), render, limit)
    kept = found.request.conversation.messages
    assert len(kept) + found.left_out == len(messages)
    assert kept == tuple(each for each in messages if any(each is one for one in kept))
    assert [each for each in messages if isinstance(each, Instructions)] == [
        each for each in kept if isinstance(each, Instructions)
    ]
    users = [each for each in messages if isinstance(each, UserMessage)]
    assert not users or users[-1] in kept
    calls = {
        call.id for each in kept if isinstance(each, AssistantMessage) for call in each.tool_calls
    }
    assert calls == {each.call_id for each in kept if isinstance(each, ToolResult)}
    if len(found.prompt.tokens) > limit:
        assert found.left_out == sum(map(len, removable(messages)))
