"""POST /v1/chat/completions as a plain HTTP client sees it: statuses, headers, bodies, streams."""

import json
from typing import Any

import httpx
import pytest

from server.auth.key_text import read_table
from server.core.errors import ServerError
from server.core.request import Sampling
from tests.api.serving import CHAT, MESSAGES, app_on, client_of
from tests.fakes import HELLO, STARTED, ScriptedEngine, finished, part


async def ask(engine: ScriptedEngine, body: dict[str, Any], **options: Any) -> httpx.Response:
    async with client_of(app_on(engine, **options)) as client:
        return await client.post(CHAT, json={"messages": MESSAGES, **body})


async def test_body_is_a_chat_completion():
    response = await ask(ScriptedEngine(), {})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    reply = response.json()
    assert reply["id"].startswith("chatcmpl-")
    assert reply["object"] == "chat.completion"
    assert reply["choices"][0]["message"]["content"] == "Hello"
    assert reply["usage"]["total_tokens"] == 16


async def test_text_is_not_escaped():
    engine = ScriptedEngine(STARTED, *part(0, "text", "Привет 🎉"), finished())
    assert "Привет 🎉" in (await ask(engine, {})).text


async def test_stream_is_server_sent_events():
    response = await ask(ScriptedEngine(), {"stream": True})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["x-accel-buffering"] == "no"
    lines = response.text.split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert len({chunk["id"] for chunk in chunks}) == 1


async def test_every_key_is_an_owner_of_its_own():
    holder = {"user": "team", "permissions": ["chat"]}
    keys = read_table(json.dumps({f"sk-example-key-{n}": holder for n in (1, 2)}))
    engine = ScriptedEngine()
    async with client_of(app_on(engine, keys)) as client:
        for number in (1, 2, 1):
            headers = {"authorization": f"Bearer sk-example-key-{number}"}
            await client.post(CHAT, json={"messages": MESSAGES, "n": 1}, headers=headers)
    first, second, again = (request.owner for request in engine.requests)
    assert first == again != second
    assert "sk-example" not in first


async def test_without_keys_nobody_is_an_owner():
    engine = ScriptedEngine()
    await ask(engine, {})
    assert engine.requests[0].owner == ""


async def test_engine_gets_what_was_asked_and_the_effort():
    engine = ScriptedEngine()
    await ask(engine, {"temperature": 0.5}, effort_default="low")
    (request,) = engine.requests
    assert (request.effort, request.max_tokens) == ("low", None)
    assert request.sampling == Sampling(temperature=0.5)


@pytest.mark.parametrize(
    ("model", "echo"),
    [
        (None, "gpt-oss-20b"),
        ("gpt-oss:20b", "gpt-oss:20b"),
        ("gpt-oss", "gpt-oss"),
        ("gpt-oss-20b:high", "gpt-oss-20b:high"),
    ],
)
async def test_model_is_echoed(model: str | None, echo: str):
    assert (await ask(ScriptedEngine(), {"model": model})).json()["model"] == echo


async def test_effort_comes_from_the_suffix_and_the_header():
    engine = ScriptedEngine()
    async with client_of(app_on(engine)) as client:
        body = {"messages": MESSAGES, "model": "gpt-oss-20b:high"}
        await client.post(CHAT, json=body)
        await client.post(CHAT, json=body, headers={"X-Reasoning-Effort": "low"})
    assert [request.effort for request in engine.requests] == ["high", "low"]


async def test_unknown_model_is_not_found():
    response = await ask(ScriptedEngine(), {"model": "gpt-5"})
    assert response.status_code == 404
    error = response.json()["error"]
    assert (error["code"], error["param"]) == ("model_not_found", "model")


async def test_choices_run_side_by_side():
    engine = ScriptedEngine(
        by_request={1: (STARTED, *part(0, "text", "Other"), finished("length"))}
    )
    reply = (await ask(engine, {"n": 2, "seed": 5})).json()
    assert [choice["message"]["content"] for choice in reply["choices"]] == ["Hello", "Other"]
    assert [choice["finish_reason"] for choice in reply["choices"]] == ["stop", "length"]
    assert [request.sampling.seed for request in engine.requests] == [5, 6]


async def test_choices_are_streamed_with_their_index():
    engine = ScriptedEngine(by_request={1: (STARTED, *part(0, "text", "Other"), finished())})
    response = await ask(engine, {"n": 2, "stream": True})
    texts = {0: "", 1: ""}
    for line in response.text.split("\n\n")[:-2]:
        (choice,) = json.loads(line.removeprefix("data: "))["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == {0: "Hello", 1: "Other"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ServerError("invalid", "No.", param="x"), 400, "invalid_value"),
        (ServerError("context_too_long", "Too long."), 400, "context_length_exceeded"),
        (ServerError("busy", "Full."), 503, "queue_full"),
        (ServerError("loading", "Wait."), 503, "model_loading"),
        (ServerError("engine_failed", "Broken."), 500, "server_error"),
        (ServerError("timeout", "Slow."), 504, "timeout"),
    ],
)
async def test_refusal_is_a_status_even_for_a_stream(
    error: ServerError, status: int, code: str, stream: bool
):
    response = await ask(ScriptedEngine(error), {"stream": stream})
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert response.json()["detail"] == error.message


@pytest.mark.parametrize(
    ("retry_after", "header"), [(None, "2"), (0.2, "1"), (7.5, "8"), (1e6, "120")]
)
async def test_busy_says_when_to_come_back(retry_after: float | None, header: str):
    engine = ScriptedEngine(ServerError("busy", "Full.", retry_after=retry_after))
    assert (await ask(engine, {})).headers["retry-after"] == header


async def test_spent_budget_is_not_to_be_retried():
    engine = ScriptedEngine(ServerError("busy", "Spent.", code="insufficient_quota"))
    assert (await ask(engine, {})).headers["x-should-retry"] == "false"


@pytest.mark.parametrize("stream", [False, True])
async def test_one_refused_choice_refuses_the_call(stream: bool):
    engine = ScriptedEngine(by_request={1: (ServerError("busy", "Full."),)})
    response = await ask(engine, {"n": 2, "stream": stream})
    assert response.status_code == 503
    assert engine.running == 0


async def test_failure_amid_a_body_is_a_status():
    engine = ScriptedEngine(*HELLO[:3], ServerError("engine_failed", "The worker died."))
    response = await ask(engine, {})
    assert response.status_code == 500
    assert response.json()["error"]["message"] == "The worker died."


async def test_failure_amid_a_stream_is_its_last_event():
    engine = ScriptedEngine(*HELLO[:3], ServerError("engine_failed", "The worker died."))
    response = await ask(engine, {"stream": True})
    assert response.status_code == 200
    *_, last, empty = response.text.split("\n\n")
    assert empty == ""
    assert json.loads(last.removeprefix("data: "))["error"]["message"] == "The worker died."
    assert "[DONE]" not in response.text


@pytest.mark.parametrize("stream", [False, True])
async def test_unforeseen_failure_says_nothing_of_its_cause(
    stream: bool, caplog: pytest.LogCaptureFixture
):
    engine = ScriptedEngine(*HELLO[:3], ZeroDivisionError("secret of the server"))
    response = await ask(engine, {"stream": stream})
    assert "secret" not in response.text
    assert "server_error" in response.text
    assert "ZeroDivisionError" in caplog.text


async def test_stream_that_just_stops_is_a_failure(caplog: pytest.LogCaptureFixture):
    engine = ScriptedEngine(*HELLO[:-1])
    assert (await ask(engine, {})).status_code == 500
    assert "without Finished" in caplog.text


async def test_keys_are_asked_for_before_anything_else():
    keys = read_table(
        '{"sk-1": {"user": "a", "permissions": ["chat"]},'
        ' "sk-2": {"user": "b", "permissions": ["completions"]}}'
    )
    async with client_of(app_on(ScriptedEngine(), keys)) as client:
        missing = await client.post(CHAT, content=b"{")
        wrong = await client.post(CHAT, content=b"{", headers={"Authorization": "Bearer no"})
        other = await client.post(CHAT, content=b"{", headers={"Authorization": "Bearer sk-2"})
        right = await client.post(
            CHAT, json={"messages": MESSAGES}, headers={"Authorization": "Bearer sk-1"}
        )
    assert [missing.status_code, wrong.status_code] == [401, 401]
    assert missing.headers["www-authenticate"] == "Bearer"
    assert missing.json()["error"]["code"] == "invalid_api_key"
    assert other.status_code == 403
    assert other.json()["error"]["code"] == "permission_denied"
    assert right.status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/chat/completions",
        "/v1/chat/completions/",
        "//v1//chat/completions",
        "/v1/chat/completions/chat/completions",
        "/v1/chat/completions//chat/completions/",
    ],
)
async def test_untidy_addresses_work(path: str):
    async with client_of(app_on(ScriptedEngine())) as client:
        response = await client.post(f"http://test{path}", json={"messages": MESSAGES})
    assert response.status_code == 200


async def test_body_needs_no_content_type():
    async with client_of(app_on(ScriptedEngine())) as client:
        response = await client.post(CHAT, content=json.dumps({"messages": MESSAGES}).encode())
    assert response.status_code == 200
