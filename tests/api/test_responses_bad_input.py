"""Whatever is sent to /v1/responses, the server does not fail, nor when it is asked to go on."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from server.dialects.openai_responses_body import REFUSED, InputItem, ResponsesBody
from tests.api.serving import RESPONSES, app_on, client_of
from tests.fakes import ScriptedEngine

WORDS = st.sampled_from(
    [
        *("user", "assistant", "developer", "message", "reasoning", "function_call"),
        *("function_call_output", "input_text", "output_text", "refusal", "function", "f", "auto"),
        *("allowed_tools", "json_schema", "commentary", "a\0", "required"),
    ]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(-9, 9) | st.text(max_size=8) | WORDS
KEYS = st.text(max_size=6) | st.sampled_from(
    [*InputItem.model_fields, "text", "refusal", "format", "schema", "tools", "mode", "summary"]
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted([*ResponsesBody.model_fields, *REFUSED, "made_up"]))
TYPES = st.sampled_from(["message", "reasoning", "function_call", "function_call_output"])
# Items that are right more often than not, so that stored ones are read again.
PARTS = st.lists(
    st.fixed_dictionaries({"type": WORDS}, optional={"text": st.text(max_size=5)}), max_size=2
)
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"type": TYPES},
        optional={
            "role": st.sampled_from(["user", "assistant", "system"]),
            "content": st.text(max_size=5) | PARTS,
            "call_id": st.sampled_from(["c1", "c2"]),
            "name": st.sampled_from(["f", "g"]),
            "arguments": JSON,
            "output": st.text(max_size=5) | PARTS,
            "id": st.text(max_size=5) | st.integers(),
            "phase": WORDS,
            "extra": JSON,
        },
    ),
    max_size=5,
)


async def check(body: dict[str, Any]) -> None:
    async with client_of(app_on(ScriptedEngine())) as client:
        response = await client.post(RESPONSES, content=json.dumps(body).encode())
        assert response.status_code in (200, 400, 404)
        reply = response.json()
        if response.status_code != 200:
            assert reply["error"]["message"]
            return
        if not reply["store"]:
            return
        further = {"input": "More", "previous_response_id": reply["id"]}
        assert (await client.post(RESPONSES, json=further)).status_code == 200
        items = await client.get(f"{RESPONSES}/{reply['id']}/input_items")
        assert items.status_code == 200
        assert all(item["id"] and item["type"] for item in items.json()["data"])


@settings(max_examples=100, deadline=None)
@given(body=st.dictionaries(FIELDS, JSON, max_size=6), valid=st.booleans())
async def test_no_body_is_a_failure_of_the_server(body: dict[str, Any], valid: bool):
    await check({**body, "stream": None, **({"input": "Hi"} if valid else {})})


@settings(max_examples=150, deadline=None)
@given(items=ITEMS)
async def test_what_is_taken_can_be_gone_on_from(items: list[dict[str, Any]]):
    await check({"input": [{"role": "user", "content": "Hi"}, *items]})
