"""A model of another architecture, with a chat template of its own, from its file to a client: real
worker, real rules. And one that brings no template.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.core.errors import ServerError
from server.core.messages import Conversation, RawPrompt, UserMessage
from server.core.request import GenerationRequest
from server.engines.local import LocalEngine
from tests.api.serving import CHAT, MESSAGES, app_on, client_of
from tests.engines.models import GREEDY, StartEngine, options
from tests.qwen3 import CHAIN, CONTEXT, write_qwen3

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"enum": ["Riga"]},
        "days": {"type": "integer", "maximum": 3, "minimum": 3},
    },
    "required": ["city", "days"],
    "additionalProperties": False,
}
LOOK = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
LOOK_UP = {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_qwen3(tmp_path_factory.mktemp("qwen3") / "qwen3.gguf")


@asynccontextmanager
async def client_on(engine: LocalEngine) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app_on(engine)) as client:  # type: ignore[arg-type]
        yield client


async def asked(engine: LocalEngine, **body: Any) -> dict[str, Any]:
    async with client_on(engine) as client:
        reply = await client.post(
            CHAT, json={"model": "gpt-oss-20b", "messages": MESSAGES, "temperature": 0} | body
        )
    assert reply.status_code == 200, reply.text
    return reply.json()["choices"][0]


@pytest.fixture
async def engine(start_engine: StartEngine, qwen3: Path) -> LocalEngine:
    started = await start_engine(options(qwen3, slots=2, context=CONTEXT))
    assert started.status().state == "ready", started.status().detail
    return started


async def test_chat_and_stream(engine: LocalEngine, caplog: pytest.LogCaptureFixture) -> None:
    card = engine.card()
    assert card is not None
    assert (card.architecture, card.abilities) == ("qwen3", ("chat", "tools", "thinking"))
    assert not [record for record in caplog.records if "tokenises" in record.message]
    choice = await asked(engine)
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"] == "Yes!"
    assert choice["message"]["reasoning"] == "Hm"
    async with client_on(engine) as client:
        body = {"model": "gpt-oss-20b", "messages": MESSAGES, "temperature": 0, "stream": True}
        reply = await client.post(CHAT, json=body)
    lines = [line[6:] for line in reply.text.splitlines() if line.startswith("data: {")]
    deltas = [json.loads(line)["choices"][0]["delta"] for line in lines]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Yes!"
    assert "".join(delta.get("reasoning") or "" for delta in deltas) == "Hm"


async def test_forms_tools_and_stops_hold(engine: LocalEngine) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    choice = await asked(engine, response_format=form)
    assert json.loads(choice["message"]["content"]) == {"city": "Riga", "days": 3}
    assert choice["message"]["reasoning"] == "Hm"
    choice = await asked(engine, tools=[LOOK, LOOK_UP], tool_choice="required")
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["name"] in ("look", "look_up")
    assert json.loads(call["function"]["arguments"]) == {"city": "Riga", "days": 3}
    assert choice["finish_reason"] == "tool_calls"
    named = {"type": "function", "function": {"name": "look_up"}}
    choice = await asked(engine, tools=[LOOK, LOOK_UP], tool_choice=named, reasoning_effort="none")
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "look_up"
    choice = await asked(engine, stop=["s"])
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Ye", "stop")
    choice = await asked(engine, max_tokens=2)
    assert (choice["message"]["content"], choice["finish_reason"]) == ("Ye", "length")
    choice = await asked(engine, tools=[LOOK])
    assert choice["message"]["content"] == "Yes!"


async def test_ollama_is_told_what_it_can(engine: LocalEngine) -> None:
    async with client_on(engine) as client:
        shown = await client.post("/api/show", json={"model": "gpt-oss-20b"})
        assert shown.json()["capabilities"] == ["completion", "tools", "thinking"]
        body = {"model": "gpt-oss-20b", "messages": MESSAGES, "stream": False}
        reply = (await client.post("/api/chat", json=body | {"options": {"temperature": 0}})).json()
    assert reply["message"]["content"] == "Yes!"
    assert reply["message"]["thinking"] == "Hm"


async def test_raw_prompts_are_written_on(engine: LocalEngine) -> None:
    raw = GenerationRequest(id="raw", prompt=RawPrompt(content="Y"), sampling=GREEDY, max_tokens=8)
    events = [event async for event in engine.generate(raw)]
    assert "".join(getattr(event, "text", "") for event in events) == "es!"


async def test_prompt_is_llama_cpps_but_for_what_clients_spell(engine: LocalEngine) -> None:
    conversation = Conversation(messages=(UserMessage(text="<|im_end|>Hi"),))
    tokens = await engine.tokenize(GenerationRequest(id="t", prompt=conversation))
    spelt = b"".join(await engine.detokenize(tokens))
    expected = b"<|im_start|>user\n<|im_end|>Hi<|im_end|>\n<|im_start|>assistant\n"
    assert spelt == expected
    assert tokens.count(tokens[0]) == 2, "what the client spells is no token"


async def test_model_without_a_template_completes_only(
    start_engine: StartEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_qwen3(tmp_path / "plain.gguf", CHAIN, template="")
    engine = await start_engine(options(path, slots=1, context=CONTEXT))
    card = engine.card()
    assert card is not None
    assert card.abilities == ()
    assert "brings no chat template" in caplog.text
    chat = GenerationRequest(id="c", prompt=Conversation(messages=(UserMessage(text="Hi"),)))
    with pytest.raises(ServerError, match="use /v1/completions") as caught:
        await engine.tokenize(chat)
    assert caught.value.kind == "not_implemented"
    async with client_on(engine) as client:
        reply = await client.post(CHAT, json={"model": "gpt-oss-20b", "messages": MESSAGES})
        assert reply.status_code == 501
        body = {"model": "gpt-oss-20b", "prompt": "Y", "temperature": 0, "max_tokens": 8}
        completed = await client.post("/v1/completions", json=body)
        assert completed.json()["choices"][0]["text"] == "es!"
        shown = await client.post("/api/show", json={"model": "gpt-oss-20b"})
        assert shown.json()["capabilities"] == ["completion"]


async def test_template_that_cannot_be_read_leaves_completions(
    start_engine: StartEngine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_qwen3(tmp_path / "broken.gguf", CHAIN, template="{% for x in %}")
    engine = await start_engine(options(path, slots=1, context=CONTEXT))
    assert engine.status().state == "ready"
    assert "chat template cannot be read (line 1" in caplog.text
