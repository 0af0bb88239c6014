"""What the bundled model answers under greedy: pinned, for the README, the page and the tests rely
on it. Written by `tools/tiny_model/golden.py`, each of them checked to be right.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from server.api.options import ApiOptions
from server.core.events import collect
from server.core.request import GenerationRequest
from server.dialects.openai_chat import Asked, read_body, to_call
from server.engines.local import LocalEngine, LocalOptions
from tests.engines.models import limits, local_engine, options

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "tiny_answers.json").read_text())
ANSWERS: list[dict[str, Any]] = GOLDEN["answers"]
ASKED = Asked(id="test", created=0, model="gpt-oss-20b", served_by="test")


def request_of(answer: dict[str, Any]) -> GenerationRequest:
    """What was asked, read as the server reads it."""
    body = {
        "messages": answer["messages"],
        "tools": answer.get("tools"),
        "reasoning_effort": answer["effort"],
        "temperature": 0,
        "max_tokens": 1000,
    }
    raw = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
    (request,) = to_call(read_body(raw), ASKED, ApiOptions(version="test")).requests
    return request


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine() -> AsyncIterator[LocalEngine]:
    made = local_engine(LocalOptions(name="tiny", model=options(), limits=limits()))
    await made.start()
    await made.settled()
    yield made
    await made.close()


def test_there_are_enough_of_them() -> None:
    assert len(ANSWERS) >= 40
    assert max(answer["prompt_tokens"] for answer in ANSWERS) > 1000


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("answer", ANSWERS, ids=[answer["name"] for answer in ANSWERS])
async def test_the_bundled_model_answers(engine: LocalEngine, answer: dict[str, Any]) -> None:
    whole = await collect(engine.generate(request_of(answer)))
    calls = [{"name": call.name, "arguments": call.arguments} for call in whole.tool_calls]
    assert whole.reasoning == answer["reasoning"]
    assert (whole.text or "") == answer["content"]
    assert calls == answer["tool_calls"]
    assert whole.finished.warning is None
