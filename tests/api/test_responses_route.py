"""/v1/responses as a plain HTTP client sees it: statuses, bodies, streams, and what is stored."""

import json
from typing import Any

import httpx
import pytest

from server.auth.key_text import read_table
from server.core.errors import ServerError
from server.core.messages import AssistantMessage, Instructions, ToolResult, UserMessage
from server.response_store import StoreLimits
from tests.api.serving import RESPONSES, app_on, client_of
from tests.dialects.response_stream import FoldedResponse, events_of
from tests.fakes import HELLO, STARTED, ScriptedEngine, finished, part

KEYS = read_table(
    json.dumps({f"sk-{name}": {"user": name, "permissions": ["chat"]} for name in ("ann", "bob")})
)
CALLING = (
    STARTED,
    *part(0, "reasoning", "Look it up."),
    *part(1, "tool_call", "{}", call_id="call_a", name="f"),
    finished("tool_calls"),
)
RESULT = {"type": "function_call_output", "call_id": "call_a", "output": "sunny"}


def holder(name: str) -> dict[str, str]:
    return {"authorization": f"Bearer sk-{name}"}


async def ask(engine: ScriptedEngine, body: dict[str, Any], **options: Any) -> httpx.Response:
    async with client_of(app_on(engine, **options)) as client:
        return await client.post(RESPONSES, json={"input": "Hi", **body})


async def test_body_is_a_response():
    response = await ask(ScriptedEngine(), {"model": "gpt-oss:20b"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    reply = response.json()
    assert reply["id"].startswith("resp_")
    assert (reply["object"], reply["status"]) == ("response", "completed")
    assert reply["model"] == "gpt-oss:20b"
    assert reply["output"][0]["content"][0]["text"] == "Hello"
    assert reply["usage"]["input_tokens_details"]["cached_tokens"] == 4
    assert reply["usage"]["output_tokens_details"]["reasoning_tokens"] == 2


async def test_stream_is_named_events():
    response = await ask(ScriptedEngine(), {"stream": True})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    folded = FoldedResponse(events_of(response.content))
    assert folded.final["output"][0]["content"][0]["text"] == "Hello"
    assert "[DONE]" not in response.text


async def test_engine_gets_the_owner_and_the_effort():
    engine = ScriptedEngine()
    async with client_of(app_on(engine, KEYS)) as client:
        body = {"input": "Hi", "model": "gpt-oss-20b:high"}
        await client.post(RESPONSES, json=body, headers=holder("ann"))
        low = {**holder("bob"), "X-Reasoning-Effort": "low"}
        await client.post(RESPONSES, json=body, headers=low)
    assert [request.effort for request in engine.requests] == ["high", "low"]
    assert engine.requests[0].owner != engine.requests[1].owner


@pytest.mark.parametrize("path", ["/v1/responses", "/responses", "/v1/responses/", "//responses"])
async def test_untidy_addresses_work(path: str):
    async with client_of(app_on(ScriptedEngine())) as client:
        made = await client.post(f"http://test{path}", json={"input": "Hi"})
        assert made.status_code == 200
        found = await client.get(f"http://test{path}/{made.json()['id']}")
        assert found.json() == made.json()


@pytest.mark.parametrize("stream", [False, True])
async def test_conversation_goes_on_from_a_response(stream: bool):
    engine = ScriptedEngine(by_request={0: CALLING})
    async with client_of(app_on(engine)) as client:
        first = {"input": "Hi", "instructions": "First.", "stream": stream}
        made = await client.post(RESPONSES, json=first)
        whole = FoldedResponse(events_of(made.content)).final if stream else made.json()
        body = {"input": [RESULT], "previous_response_id": whole["id"], "instructions": "Second."}
        reply = (await client.post(RESPONSES, json=body)).json()
        third = {"input": "Thanks", "previous_response_id": reply["id"]}
        await client.post(RESPONSES, json=third)
    assert reply["previous_response_id"] == whole["id"]
    user, model, result = (
        UserMessage(text="Hi"),
        engine.requests[1].conversation.messages[2],
        ToolResult(call_id="call_a", name="f", text="sunny"),
    )
    assert (model.reasoning, model.tool_calls[0].name) == ("Look it up.", "f")
    second = Instructions(text="Second.")
    assert engine.requests[1].conversation.messages == (second, user, model, result)
    # Instructions are of one request alone, and the whole conversation comes along.
    assert engine.requests[2].conversation.messages == (
        user,
        model,
        result,
        AssistantMessage(text="Hello"),
        UserMessage(text="Thanks"),
    )


async def test_response_is_its_owners_alone():
    async with client_of(app_on(ScriptedEngine(), KEYS)) as client:

        async def send(name: str, method: str, path: str, body: Any = None) -> httpx.Response:
            return await client.request(method, path, json=body, headers=holder(name))

        id_ = (await send("ann", "POST", RESPONSES, {"input": "Hi"})).json()["id"]
        one = f"{RESPONSES}/{id_}"
        further = {"input": "More", "previous_response_id": id_}
        for method, path, body in (
            ("GET", one, None),
            ("GET", f"{one}/input_items", None),
            ("DELETE", one, None),
            ("POST", RESPONSES, further),
        ):
            strange = await send("bob", method, path, body)
            assert strange.status_code == 404
            assert id_ in strange.json()["error"]["message"]
        assert (await send("ann", "GET", one)).status_code == 200
        assert (await send("ann", "POST", RESPONSES, further)).status_code == 200
        assert (await client.get(one)).status_code == 401


async def test_deleted_response_is_gone():
    async with client_of(app_on(ScriptedEngine())) as client:
        id_ = (await client.post(RESPONSES, json={"input": "Hi"})).json()["id"]
        deleted = await client.delete(f"{RESPONSES}/{id_}")
        assert deleted.json() == {"id": id_, "object": "response", "deleted": True}
        for again in (
            await client.delete(f"{RESPONSES}/{id_}"),
            await client.get(f"{RESPONSES}/{id_}"),
            await client.get(f"{RESPONSES}/{id_}/input_items"),
        ):
            assert again.status_code == 404
            assert again.json()["error"]["code"] == "response_not_found"
        further = {"input": "More", "previous_response_id": id_}
        error = (await client.post(RESPONSES, json=further)).json()["error"]
    assert (error["code"], error["param"]) == (
        "previous_response_not_found",
        "previous_response_id",
    )


async def test_items_may_be_referred_to_by_their_owner():
    engine = ScriptedEngine(by_request={0: CALLING})
    async with client_of(app_on(engine, KEYS)) as client:
        asked = {"input": "Hi"}
        made = await client.post(RESPONSES, json=asked, headers=holder("ann"))
        user = {"role": "user", "content": "Hi"}
        references = [
            {"type": "item_reference", "id": item["id"]} for item in made.json()["output"]
        ]
        body = {"input": [user, *references, RESULT]}
        strange = await client.post(RESPONSES, json=body, headers=holder("bob"))
        assert (strange.status_code, strange.json()["error"]["param"]) == (404, "input[1].id")
        further = await client.post(RESPONSES, json=body, headers=holder("ann"))
        # What was referred to is stored with what refers to it.
        await client.delete(f"{RESPONSES}/{made.json()['id']}", headers=holder("ann"))
        last = {"input": "More", "previous_response_id": further.json()["id"]}
        await client.post(RESPONSES, json=last, headers=holder("ann"))
    model = engine.requests[1].conversation.messages[1]
    assert (model.reasoning, model.tool_calls[0].id) == ("Look it up.", "call_a")
    assert engine.requests[2].conversation.messages[1] == model


@pytest.mark.parametrize(
    ("body", "limits"),
    [({"store": False}, {}), ({}, {"count": 0}), ({"store": True}, {"bytes": 0})],
)
async def test_response_that_is_not_stored_says_so(body: dict[str, Any], limits: dict[str, int]):
    async with client_of(app_on(ScriptedEngine(), responses=StoreLimits(**limits))) as client:
        reply = (await client.post(RESPONSES, json={"input": "Hi", **body})).json()
        assert reply["store"] is False
        assert (await client.get(f"{RESPONSES}/{reply['id']}")).status_code == 404


async def test_response_larger_than_the_store_is_given_all_the_same(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level("INFO")
    async with client_of(app_on(ScriptedEngine(), responses=StoreLimits(bytes=3000))) as client:
        reply = await client.post(RESPONSES, json={"input": "Hi" * 3000})
        assert reply.status_code == 200
        assert (await client.get(f"{RESPONSES}/{reply.json()['id']}")).status_code == 404
    assert "too large to be stored" in caplog.text


async def test_input_items_are_listed_by_page():
    async with client_of(app_on(ScriptedEngine())) as client:
        first = (await client.post(RESPONSES, json={"input": "One"})).json()["id"]
        body = {"input": "Two", "previous_response_id": first}
        second = (await client.post(RESPONSES, json=body)).json()["id"]
        items = f"{RESPONSES}/{second}/input_items"
        whole = (await client.get(items, params={"order": "asc"})).json()
        newest = (await client.get(items, params={"limit": 1})).json()
        rest = (await client.get(items, params={"after": newest["last_id"]})).json()
        wrong = [
            await client.get(items, params=params)
            for params in ({"limit": 0}, {"order": "up"}, {"after": "no"})
        ]
    texts = [item["content"][0]["text"] for item in whole["data"]]
    assert texts == ["One", "Hello", "Two"]
    assert newest["data"] == whole["data"][-1:]
    assert newest["has_more"] is True
    assert rest["data"] == whole["data"][1::-1]
    assert [response.status_code for response in wrong] == [400, 400, 400]
    assert [response.json()["error"]["param"] for response in wrong] == ["limit", "order", "after"]
    assert wrong[1].json()["error"]["message"] == (
        "Invalid 'order': input should be 'asc' or 'desc'."
    )


async def test_stored_response_is_not_streamed_again():
    async with client_of(app_on(ScriptedEngine())) as client:
        id_ = (await client.post(RESPONSES, json={"input": "Hi"})).json()["id"]
        response = await client.get(f"{RESPONSES}/{id_}", params={"stream": "true"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "stream"


@pytest.mark.parametrize("stream", [False, True])
async def test_refusal_is_a_status_even_for_a_stream(stream: bool):
    engine = ScriptedEngine(ServerError("context_too_long", "Too long."))
    response = await ask(engine, {"stream": stream})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "context_length_exceeded"


async def test_failure_amid_a_stream_ends_it_and_is_not_stored():
    engine = ScriptedEngine(*HELLO[:3], ServerError("engine_failed", "The worker died."))
    async with client_of(app_on(engine)) as client:
        response = await client.post(RESPONSES, json={"input": "Hi", "stream": True})
        folded = FoldedResponse(events_of(response.content))
        assert folded.final["status"] == "failed"
        assert folded.error["error"]["message"] == "The worker died."
        found = await client.get(f"{RESPONSES}/{folded.final['id']}")
    assert found.status_code == 404


async def test_permission_to_chat_is_needed():
    keys = read_table('{"sk-1": {"user": "a", "permissions": ["completions"]}}')
    async with client_of(app_on(ScriptedEngine(), keys)) as client:
        for method, path in (("POST", ""), ("GET", "/resp_1"), ("DELETE", "/resp_1")):
            response = await client.request(
                method, RESPONSES + path, headers={"authorization": "Bearer sk-1"}
            )
            assert response.status_code == 403
