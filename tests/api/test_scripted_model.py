"""What a model writes, well formed and not, all the way to a client: body and stream say the same,
no markup reaches them, and an answer without text says why.
"""

import json
from typing import Any

import pytest

from server.core.ports import Engine
from tests.api.serving import CHAT, MESSAGES, app_on, client_of
from tests.engines.models import MARKUP
from tests.engines.scripted_session import ScriptedModel
from tests.formats.answers import CALL, FINAL, MALFORMED, NOT_OFFERED, START, THINK, WELL_FORMED

TOOLS = [
    {"type": "function", "function": {"name": name}} for name in ("get_weather", "do.it-now_2")
]
WRITTEN = {
    **{name: text for name, (text, _) in (WELL_FORMED | MALFORMED).items()},
    **{f"not offered {number}": text for number, text in enumerate(NOT_OFFERED)},
}


async def told(engine: Engine, body: dict[str, Any]) -> dict[str, Any]:
    """The reply, after a look at the stream of the same request."""
    async with client_of(app_on(engine)) as client:  # type: ignore[arg-type]
        asked = {"messages": MESSAGES, **body}
        whole = await client.post(CHAT, json=asked)
        stream = await client.post(CHAT, json={**asked, "stream": True})
    assert (whole.status_code, stream.status_code) == (200, 200), whole.text
    reply: dict[str, Any] = whole.json()
    chunks = [json.loads(line.removeprefix("data: ")) for line in stream.text.split("\n\n")[:-2]]
    message = reply["choices"][0]["message"]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    for field in ("content", "reasoning"):
        streamed = "".join(delta.get(field) or "" for delta in deltas)
        assert streamed == (message.get(field) or "")
        assert not MARKUP.search(streamed)
    assert chunks[-1].get("warning") == reply.get("warning")
    assert chunks[-1]["choices"][0]["finish_reason"] == reply["choices"][0]["finish_reason"]
    return reply


def check(reply: dict[str, Any]) -> None:
    (choice,) = reply["choices"]
    message = choice["message"]
    said = message["content"] or message.get("tool_calls")
    assert said or choice["finish_reason"] == "length" or reply["warning"]
    called = bool(message.get("tool_calls"))
    assert choice["finish_reason"] in (("tool_calls", "length") if called else ("stop", "length"))
    for call in message.get("tool_calls", ()):
        assert not MARKUP.search(call["function"]["arguments"])


@pytest.mark.parametrize("name", WRITTEN)
async def test_whatever_is_written_is_an_answer(name: str) -> None:
    check(await told(ScriptedModel(WRITTEN[name], WRITTEN[name]), {"tools": TOOLS}))
    check(await told(ScriptedModel(WRITTEN[name], f"{FINAL}<|return|>"), {}))


@pytest.mark.parametrize("max_tokens", range(1, 12))
@pytest.mark.parametrize(
    "name", ["preamble, thought and call", "two finals", "bare text after end"]
)
async def test_a_cut_anywhere_leaves_no_markup(name: str, max_tokens: int) -> None:
    body = {"tools": TOOLS, "max_tokens": max_tokens}
    check(await told(ScriptedModel(WRITTEN[name]), body))


@pytest.mark.parametrize("stop", ["<|", "H", "i!", "!", "|>", " "])
async def test_a_stop_string_leaves_no_markup(stop: str) -> None:
    text = f"{THINK}{START}{FINAL}<|end|>{START}{FINAL}<|return|>"
    reply = await told(ScriptedModel(text), {"stop": stop})
    check(reply)
    assert stop not in reply["choices"][0]["message"]["content"]


async def test_a_tool_that_is_not_there_never_surfaces() -> None:
    stray = CALL.replace("get_weather", "launch")
    reply = await told(ScriptedModel(f"{THINK}{START}{stray}", f"{FINAL}<|return|>"), {})
    (choice,) = reply["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Hi!", "stop")
    assert "launch" in reply["warning"]
    usage = reply["usage"]
    assert usage["completion_tokens"] > usage["completion_tokens_details"]["reasoning_tokens"] > 0


async def test_effort_none_answers_at_once() -> None:
    reply = await told(ScriptedModel("Hi!<|return|>"), {"reasoning_effort": "none"})
    (choice,) = reply["choices"]
    assert choice["message"]["content"] == "Hi!"
    assert "reasoning" not in choice["message"]
    assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0


async def test_a_begun_answer_is_continued() -> None:
    begun = [*MESSAGES, {"role": "assistant", "content": "Once upon"}]
    reply = await told(ScriptedModel(" a time.<|return|>"), {"messages": begun})
    assert reply["choices"][0]["message"]["content"] == " a time."


async def test_timings_are_told() -> None:
    reply = await told(ScriptedModel(f"{FINAL}<|return|>"), {"timings": True})
    timings = reply["timings"]
    assert (timings["prompt_ms"], timings["predicted_ms"]) == (500.0, 250.0)
    assert timings["predicted_n"] == reply["usage"]["completion_tokens"]
