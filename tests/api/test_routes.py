"""The other routes, the headers of every reply, and the description of the interface."""

from dataclasses import replace

import httpx
import pytest
from fastapi import HTTPException

from server.api.middleware import tidy
from server.auth.key_text import read_table
from server.core.ports import EngineState
from tests.api.serving import CHAT, MESSAGES, RESPONSES, app_on, client_of
from tests.fakes import CARD, ScriptedEngine

KEYED = '{"sk-1": {"user": "a", "permissions": ["chat"]}}'


async def get(path: str, engine: ScriptedEngine | None = None, **more: str) -> httpx.Response:
    async with client_of(app_on(engine or ScriptedEngine())) as client:
        return await client.get(path, **more)


@pytest.mark.parametrize(
    ("state", "status", "word"),
    [
        ("ready", 200, "ok"),
        ("loading", 503, "loading"),
        ("stopped", 503, "loading"),
        ("restarting", 503, "loading"),
        ("failed", 503, "error"),
    ],
)
async def test_health_follows_the_engine(state: EngineState, status: int, word: str):
    engine = ScriptedEngine(state=state)
    response = await get("/health", engine)
    assert response.status_code == status
    assert response.json() == {
        "status": word,
        "model": "gpt-oss-20b",
        "default_model": "gpt-oss-20b",
        "available_models": ["gpt-oss-20b", "gpt-oss:20b"],
        "ollama_service": "up" if state == "ready" else "down",
        "litellm_enabled": True,
        "models": {
            "gpt-oss-20b": {
                "state": state,
                "running": 0,
                "waiting": 0,
                "detail": "",
                "demonstration": False,
            }
        },
    }
    alive = await get("/healthz", engine)
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})


async def test_health_tells_of_the_end_and_who_is_there_is_served_once_more():
    app = app_on(ScriptedEngine())
    drain = app.state.service.drain
    async with client_of(app) as client:
        drain.begin()
        health = await client.get("/health")
        assert (health.status_code, health.json()["status"]) == (503, "draining")
        served = await client.post(CHAT, json={"messages": MESSAGES})
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        assert (await client.get("/healthz")).status_code == 200


ENDING = "shutting down and takes no new requests"


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        (CHAT, {"messages": MESSAGES}, 503, ENDING),
        (RESPONSES, {"input": "Hi"}, 503, ENDING),
        ("/v1/messages", {"messages": MESSAGES, "max_tokens": 9, "model": "gpt-oss"}, 529, ENDING),
        ("/v1/completions", {"prompt": "Hi"}, 503, ENDING),
        ("/chat", {"message": "Hi"}, 503, ENDING),
        ("/api/chat", {"messages": MESSAGES, "model": "gpt-oss"}, 503, ENDING),
        ("/api/generate", {"prompt": "Hi", "model": "gpt-oss"}, 503, ENDING),
    ],
)
async def test_who_comes_at_the_end_is_told_to_come_back(
    path: str, body: dict[str, object], status: int, words: str
):
    app = app_on(ScriptedEngine())
    async with client_of(app) as client:
        assert (await client.post(path, json=body)).status_code == 200
        app.state.service.drain.refuse()
        refused = await client.post(path, json=body)
        assert refused.status_code == status
        assert words in refused.text
        assert refused.headers["retry-after"] == "5"
        assert refused.headers["connection"] == "close"


async def test_health_has_the_word_that_the_operator_likes():
    async with client_of(app_on(ScriptedEngine(), health_text="healthy")) as client:
        assert (await client.get("/health")).json()["status"] == "healthy"
    async with client_of(app_on(ScriptedEngine(state="failed"), health_text="healthy")) as client:
        assert (await client.get("/health")).json()["status"] == "error"


async def test_root_tells_programs_what_there_is():
    told = (await get("/")).json()
    assert (told["status"], told["issues"], told["version"]) == ("ok", [], "0.0.0")
    assert (told["default_model"], told["ollama_url"]) == ("gpt-oss-20b", "http://test")
    assert set(told["available_models"]) == {"gpt-oss-20b", "gpt-oss:20b"}
    assert told["available_models"]["gpt-oss:20b"] == {
        "name": "gpt-oss:20b",
        "description": "gpt-oss 20B MXFP4",
        "provider": "gpt-api",
        "litellm_name": "openai/gpt-oss:20b",
    }
    assert told["endpoints"]["chat_with_model"] == "/chat/{model_name}"


async def test_root_says_why_it_cannot_answer():
    told = (await get("/", ScriptedEngine(state="failed", card=None))).json()
    assert (told["status"], told["issues"]) == ("degraded", ["the model is failed"])
    assert told["available_models"]["gpt-oss-20b"]["description"] == "not loaded yet"


async def test_root_leads_people_to_the_documentation():
    accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    app = app_on(ScriptedEngine())
    async with client_of(app) as client:
        response = await client.get("/", headers=accept)
        assert (response.status_code, response.headers["location"]) == (307, "/docs")
        assert response.headers["vary"] == "Accept"
    app.root_path = "/gpt"
    async with client_of(app) as client:
        response = await client.get("/", headers=accept)
        assert response.headers["location"] == "/gpt/docs"


async def test_models_without_v1_are_listed_in_two_systems_words():
    both = (await get("/models")).json()
    only = (await get("/v1/models")).json()
    assert {"object": both["object"], "data": both["data"]} == only
    tags = (await get("/api/tags")).json()
    assert both["models"] == tags["models"]
    assert "gpt-oss:20b" in [model["name"] for model in both["models"]]


async def test_health_says_when_the_model_is_the_demonstration():
    engine = ScriptedEngine(card=replace(CARD, demonstration=True))
    models = (await get("/health", engine)).json()["models"]
    assert models["gpt-oss-20b"]["demonstration"] is True


async def test_health_needs_no_key_and_models_do():
    async with client_of(app_on(ScriptedEngine(), read_table(KEYED))) as client:
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/v1/models")).status_code == 401
        bearer = {"Authorization": "Bearer sk-1"}
        assert (await client.get("/v1/models", headers=bearer)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/models", "/models", "/v1/models/", "/v1/chat/completions/models"]
)
async def test_models_are_listed(path: str):
    listed = (await get(path)).json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["gpt-oss-20b"]


@pytest.mark.parametrize("name", ["gpt-oss-20b", "gpt-oss:20b", "gpt-oss-20b:low"])
async def test_model_is_described_under_any_name(name: str):
    described = (await get(f"/v1/models/{name}")).json()
    assert (described["id"], described["root"]) == (name, "gpt-oss-20b")


async def test_unknown_model_is_not_found_even_with_a_slash():
    response = await get("/v1/models/openai%2Fgpt-9")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    "path", ["/", "/health", "/healthz", "/v1/models", "/models", "/v1/models/gpt-oss"]
)
async def test_head_is_answered(path: str):
    async with client_of(app_on(ScriptedEngine())) as client:
        assert (await client.head(path)).status_code == 200


async def test_unknown_url_is_told_in_the_same_shape():
    response = await get("/v1/nothing")
    assert response.status_code == 404
    error = response.json()["error"]
    assert error["code"] == "unknown_url"
    assert "GET /v1/nothing" in error["message"]


async def test_wrong_method_names_the_right_one():
    response = await get(CHAT)
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["code"] == "method_not_supported"


@pytest.mark.parametrize("path", ["/health", "/v1/nothing", CHAT])
async def test_every_reply_has_the_headers(path: str):
    headers = (await get(path)).headers
    assert headers["x-request-id"].startswith("req_")
    assert int(headers["openai-processing-ms"]) >= 0
    assert headers["openai-version"] == "2020-10-01"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"X-Request-ID": "abc-1.2_Z"}, True),
        ({"X-Client-Request-Id": "abc-1.2_Z"}, True),
        ({"X-Request-ID": "a" * 129}, False),
        ({"X-Request-ID": "a b"}, False),
        ({"X-Request-ID": ""}, False),
    ],
)
async def test_usable_request_id_of_the_client_is_kept(sent: dict[str, str], kept: bool):
    response = await get("/health", headers=sent)
    assert (response.headers["x-request-id"] in sent.values()) is kept


async def test_failure_outside_of_an_answer_is_told_in_the_same_shape():
    class BrokenEngine(ScriptedEngine):
        def card(self) -> None:
            raise ZeroDivisionError("secret of the server")

    response = await get("/v1/models", BrokenEngine(), headers={"X-Request-ID": "mine"})
    assert response.status_code == 500
    assert response.json()["error"]["type"] == "server_error"
    assert response.headers["x-request-id"] == "mine"
    assert "secret" not in response.text


@pytest.mark.parametrize(
    ("path", "status", "param"), [("/probe?count=x", 400, "count"), ("/probe?count=5", 418, None)]
)
async def test_what_the_framework_refuses_is_told_in_the_same_shape(
    path: str, status: int, param: str | None
):
    async def probe(count: int) -> None:
        raise HTTPException(418, f"{count} teapots.")

    app = app_on(ScriptedEngine())
    app.add_api_route("/probe", probe)
    async with client_of(app) as client:
        response = await client.get(path)
    assert response.status_code == status
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_documentation_is_served(path: str):
    response = await get(path)
    assert response.status_code == 200
    assert "gpt-api" in response.text


async def test_interface_describes_the_body_of_a_request():
    described = (await get("/openapi.json")).json()
    assert described["info"]["title"] == "gpt-api"
    assert set(described["paths"]) == {
        "/",
        "/chat",
        "/chat/{model_name}",
        "/models",
        "/tokenize",
        "/tokenize/count",
        "/detokenize",
        "/v1/chat/completions",
        "/v1/embeddings",
        "/v1/chat/completions/input_tokens",
        "/v1/completions",
        "/v1/engines/{name}/completions",
        "/v1/responses",
        "/v1/responses/input_tokens",
        "/v1/responses/{response_id}",
        "/v1/responses/{response_id}/input_items",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/models",
        "/v1/models/{name}",
        "/api/chat",
        "/api/generate",
        "/api/embed",
        "/api/embeddings",
        "/api/show",
        "/api/tags",
        "/api/ps",
        "/api/version",
        "/health",
        "/healthz",
    }
    content = described["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]
    reference = content["application/json"]["schema"]["$ref"]
    name = reference.removeprefix("#/components/schemas/")
    schema = described["components"]["schemas"][name]
    assert schema["required"] == ["messages"]
    assert "ChatMessage" in described["components"]["schemas"]
    assert "input" in described["components"]["schemas"]["ResponsesBody"]["properties"]


@pytest.mark.parametrize(
    ("path", "tidied"),
    [
        ("/", "/"),
        ("//", "/"),
        ("/health/", "/health"),
        ("/v1//models", "/v1/models"),
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/chat/completions", "/v1/chat/completions"),
        ("/chat/completions/chat/completions", "/chat/completions"),
        ("/v1/chat/completions/input_tokens", "/v1/chat/completions/input_tokens"),
        ("/v1/chat/completions/chat/completions/input_tokens", "/v1/chat/completions/input_tokens"),
        ("/v1/chat/completions/models/a", "/v1/models/a"),
    ],
)
def test_path_is_tidied(path: str, tidied: str):
    assert tidy(path) == tidied
