"""Raw prompts on the bundled model, from tokens to tokens."""

import json
import re
from typing import Any

import pytest

from server.core.errors import ServerError
from server.core.events import Answer, collect
from server.core.messages import RawPrompt
from server.core.request import GenerationRequest, GrammarOutput, JsonOutput
from server.engines.local import LocalEngine
from tests.engines.models import GREEDY, MARKUP, StartEngine, asked, limits, options

FOX = "The quick brown fox"


def raw(content: str | tuple[int, ...], **more: Any) -> GenerationRequest:
    values = {"sampling": GREEDY, "max_tokens": 16, "reasoning_budget": 0} | more
    return GenerationRequest(id="test", prompt=RawPrompt(content=content), **values)


async def answer(engine: LocalEngine, *arguments: Any, **more: Any) -> Answer:
    return await collect(engine.generate(raw(*arguments, **more)))


async def test_a_raw_prompt_from_end_to_end(start_engine: StartEngine) -> None:
    engine = await start_engine()
    whole = await answer(engine, FOX)
    assert whole.text
    assert whole.reasoning is None
    assert (whole.finished.reason, whole.finished.usage.completion_tokens) == ("length", 16)

    ids = await engine.tokenize(raw(FOX))
    assert b"".join(await engine.detokenize(ids)).decode() == FOX
    assert whole.finished.usage.prompt_tokens == len(ids)
    # The same in ids is the same, and its beginning is there already.
    again = await answer(engine, ids)
    assert again.text == whole.text

    stop = whole.text[4:7]
    stopped = await answer(engine, FOX, stop=(stop,))
    assert stopped.text == whole.text[: whole.text.index(stop)]
    assert stopped.finished.reason == "stop"

    scored = await answer(engine, FOX, logprobs=2)
    assert len(scored.logprobs) == 16
    assert b"".join(token.token for token in scored.logprobs).decode() == scored.text


async def test_forms_hold_and_least_lengths_too(start_engine: StartEngine) -> None:
    engine = await start_engine()
    whole = await answer(engine, FOX, output=GrammarOutput(text='root ::= "cat" | "dog"'))
    assert whole.text in ("cat", "dog")
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    whole = await answer(engine, FOX, output=JsonOutput(schema=schema), max_tokens=64)
    assert isinstance(json.loads(whole.text or "")["a"], int)
    # On its own the model ends here at once.
    assert (await answer(engine, "Hello, how are you?")).finished.warning
    whole = await answer(engine, "Hello, how are you?", min_tokens=5)
    assert len(await engine.tokenize(raw(whole.text or ""))) >= 5


async def test_a_chat_in_ids_gives_text_without_markup(start_engine: StartEngine) -> None:
    engine = await start_engine()
    ids = await engine.tokenize(asked("Hello!"))
    assert re.search(rb"<\|start\|>assistant$", b"".join(await engine.detokenize(ids)))
    whole = await answer(engine, ids, max_tokens=64)
    assert whole.finished.reason == "stop"
    assert not MARKUP.search(whole.text or "")
    assert (whole.text or "").startswith("analysis")


async def test_what_cannot_be_is_refused_with_the_place(start_engine: StartEngine) -> None:
    engine = await start_engine(options(context=512), limits=limits(max_input_tokens=400))
    for content, param in (("word " * 600, "prompt"), ((0, 9999), "prompt[1]")):
        with pytest.raises(ServerError) as refused:
            await answer(engine, content)
        assert refused.value.param == param
    with pytest.raises(ServerError, match="shorten the prompt"):
        await answer(engine, "word", max_tokens=600)
    with pytest.raises(ServerError) as refused:
        await engine.detokenize((5, 9999))
    assert refused.value.param == "tokens[1]"
