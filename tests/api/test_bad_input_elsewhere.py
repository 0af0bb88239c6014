"""Whatever a client of Anthropic or Ollama sends, it gets a 4xx in that dialect's words."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.dialects.anthropic_body import REFUSED, MessagesBody
from server.dialects.ollama_body import OllamaChatBody, OllamaGenerateBody
from server.dialects.ollama_options import FLOATS, INTEGERS
from tests.api.serving import MESSAGES, app_on, client_of
from tests.fakes import ScriptedEngine

ANTHROPIC, CHAT, GENERATE = "/v1/messages", "/api/chat", "/api/generate"
VALID = {
    ANTHROPIC: {"messages": MESSAGES, "max_tokens": 5},
    CHAT: {"model": "gpt-oss", "messages": MESSAGES},
    GENERATE: {"model": "gpt-oss", "prompt": "Hi"},
}
FIELDS = {
    ANTHROPIC: [*MessagesBody.model_fields, *REFUSED, "schema"],
    CHAT: [*OllamaChatBody.model_fields],
    GENERATE: [*OllamaGenerateBody.model_fields],
}
NAMES = [
    *("role", "content", "type", "text", "thinking", "id", "name", "input", "tool_use_id"),
    *("function", "arguments", "parameters", "input_schema", "tool_calls", "tool_name", "images"),
    *("budget_tokens", "effort", "format", "schema", "stop", *INTEGERS, *FLOATS),
]
WORDS = ["user", "assistant", "tool", "text", "tool_use", "tool_result", "thinking", "enabled"]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from([*WORDS, "json_schema", "json", "5m", "a\0", 10**400])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def asked(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """An address, and a body whose fields hold anything; half of them are otherwise complete."""
    path = draw(st.sampled_from(sorted(VALID)))
    body = draw(st.dictionaries(st.sampled_from([*FIELDS[path], "made_up"]), JSON, max_size=5))
    return path, {**VALID[path], **body} if draw(st.booleans()) else {**body, **VALID[path]}


def message_of(path: str, reply: Any) -> str:
    text: str = reply["error"]["message"] if path == ANTHROPIC else reply["error"]
    return text


@settings(max_examples=250, deadline=None)
@given(asked())
async def test_no_body_is_a_failure_of_the_server(case: tuple[str, dict[str, Any]]):
    path, body = case
    async with client_of(app_on(ScriptedEngine())) as client:
        response = await client.post(path, content=json.dumps(body).encode())
    assert response.status_code in (200, 400, 404)
    if response.status_code != 200:
        assert message_of(path, response.json())


@settings(max_examples=60, deadline=None)
@given(path=st.sampled_from(sorted(VALID)), raw=st.binary(max_size=60))
async def test_no_bytes_are_a_failure_of_the_server(path: str, raw: bytes):
    async with client_of(app_on(ScriptedEngine())) as client:
        response = await client.post(path, content=raw)
    assert response.status_code == 400
    assert message_of(path, response.json())


@pytest.mark.parametrize(
    ("path", "options"),
    [
        (CHAT, b'{"seed":1e999}'),
        (CHAT, b'{"num_predict":-1e999}'),
        (GENERATE, b'{"top_k":1e999}'),
    ],
)
async def test_numbers_beyond_all_bounds_are_refused(path: str, options: bytes):
    raw = json.dumps(VALID[path]).encode()[:-1] + b',"options":' + options + b"}"
    async with client_of(app_on(ScriptedEngine())) as client:
        response = await client.post(path, content=raw)
    assert (response.status_code, response.json()["error"][:8]) == (400, 'option "')


async def test_deep_nesting_is_refused():
    raw = b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    async with client_of(app_on(ScriptedEngine())) as client:
        for path in VALID:
            assert (await client.post(path, content=raw)).status_code == 400
