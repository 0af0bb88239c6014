"""Pages of other origins: none unless named, and preflights need no key."""

import json

import httpx
import pytest

from server.auth.key_text import read_table
from tests.api.serving import CHAT, MESSAGES, app_on, client_of
from tests.fakes import ScriptedEngine

PAGE = "https://chat.example.com"
KEYED = '{"sk-1": {"user": "a", "permissions": ["chat"]}}'
ASKED_HEADERS = (
    "authorization, content-type, x-api-key, openai-organization, openai-project, openai-beta,"
    " x-stainless-lang, x-stainless-whatever-comes-next, x-reasoning-effort"
)


async def preflight(origin: str, *allowed: str, method: str = "POST") -> httpx.Response:
    app = app_on(ScriptedEngine(), read_table(KEYED), cors_origins=allowed)
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": ASKED_HEADERS,
    }
    async with client_of(app) as client:
        return await client.options(CHAT, headers=headers)


async def ask(origin: str, *allowed: str, key: str = "sk-1") -> httpx.Response:
    app = app_on(ScriptedEngine(), read_table(KEYED), cors_origins=allowed)
    async with client_of(app) as client:
        return await client.post(
            CHAT, json={"messages": MESSAGES}, headers={"Origin": origin, "x-api-key": key}
        )


async def test_no_page_is_let_in_unless_it_is_named():
    response = await preflight(PAGE)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers
    assert "access-control-allow-origin" not in (await ask(PAGE)).headers


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_named_page_is_let_in_without_a_key(method: str):
    response = await preflight(PAGE, PAGE, "http://localhost:5173", method=method)
    assert response.status_code == 200
    headers = response.headers
    assert headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-credentials" not in headers
    assert "Origin" in headers["vary"]
    assert method in headers["access-control-allow-methods"]
    allowed = {each.strip().lower() for each in headers["access-control-allow-headers"].split(",")}
    assert {each.strip() for each in ASKED_HEADERS.split(",")} <= allowed
    assert headers["x-request-id"]


@pytest.mark.parametrize(
    ("origin", "site", "allowed", "status"),
    [
        (PAGE, "cross-site", (), 403),
        ("null", "cross-site", (), 403),
        (PAGE, "cross-site", ("https://other.example.com",), 403),
        (PAGE, "cross-site", (PAGE,), 200),
        (PAGE, "cross-site", ("*",), 200),
        (PAGE, "same-origin", (), 200),
        ("app://notes", "cross-site", (), 200),
        ("chrome-extension://abc", "none", (), 200),
    ],
)
async def test_what_a_page_of_another_site_posts_is_not_computed(
    origin: str, site: str, allowed: tuple[str, ...], status: int
):
    engine = ScriptedEngine()
    # No preflight comes before plain text.
    headers = {"Origin": origin, "Sec-Fetch-Site": site, "Content-Type": "text/plain"}
    body = json.dumps({"messages": MESSAGES})
    async with client_of(app_on(engine, cors_origins=allowed)) as client:
        response = await client.post(CHAT, content=body, headers=headers)
        page = await client.get("/healthz", headers=headers)
    assert (response.status_code, page.status_code) == (status, 200)
    assert len(engine.requests) == (status == 200)
    if status == 403:
        assert "CORS_ALLOW_ORIGINS" in response.json()["error"]["message"]


async def test_another_page_is_not():
    response = await preflight("https://evil.example.com", PAGE)
    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers
    answered = await ask("https://evil.example.com", PAGE)
    assert answered.status_code == 200
    assert "access-control-allow-origin" not in answered.headers


async def test_a_method_that_there_is_not_is_refused():
    assert (await preflight(PAGE, PAGE, method="PATCH")).status_code == 400


@pytest.mark.parametrize(("key", "status"), [("sk-1", 200), ("sk-2", 401)])
async def test_a_page_may_read_replies_and_refusals(key: str, status: int):
    response = await ask(PAGE, PAGE, key=key)
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == PAGE
    exposed = response.headers["access-control-expose-headers"]
    for name in ("x-request-id", "retry-after", "x-ratelimit-remaining-tokens"):
        assert name in exposed


async def test_all_pages_come_without_credentials():
    response = await ask(PAGE, "*")
    assert response.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in response.headers
