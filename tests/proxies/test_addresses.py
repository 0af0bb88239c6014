"""Whose address a request has that comes through a real proxy, and what the proxy writes down."""

from collections.abc import Callable
from ipaddress import ip_network

import httpx
import pytest

from tests.api.serving import CHAT, MESSAGES, app_on, listening
from tests.fakes import ScriptedEngine
from tests.proxies.conftest import CLIENT, Publish
from tests.proxies.proxy import HOST

ClientOf = Callable[..., httpx.AsyncClient]
SECRETS = {
    "Authorization": "Bearer sk-secret-1",
    "X-Api-Key": "sk-secret-2",
    "Api-Key": "sk-secret-3",
}
FORGED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}


def addresses(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [line.rpartition(", from ")[2] for line in caplog.messages if ", from " in line]


@pytest.mark.parametrize("headers", [{}, FORGED], ids=["honest", "forged"])
async def test_the_log_has_the_clients_own_address(
    publish: Publish,
    client_of: ClientOf,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
) -> None:
    caplog.set_level("INFO", "server")
    app = app_on(ScriptedEngine(), trusted_proxies=[ip_network(HOST)])
    async with listening(app) as url:
        proxy = publish(url)
        async with client_of(proxy) as client:
            told = (await client.get("/", headers=headers)).json()
    assert addresses(caplog) == [CLIENT]
    assert told["ollama_url"] == proxy.url


async def test_a_proxy_that_is_not_named_is_the_client(
    publish: Publish, client_of: ClientOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "server")
    async with listening(app_on(ScriptedEngine())) as url:
        proxy = publish(url)
        async with client_of(proxy) as client:
            assert (await client.get("/", headers=FORGED)).status_code == 200
    assert addresses(caplog) == [HOST]
    assert any("X-Forwarded-For of 127.0.0.1 is not believed" in each for each in caplog.messages)


async def test_nobody_goes_around_the_proxy(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "server")
    app = app_on(ScriptedEngine(), trusted_proxies=[ip_network(HOST)])
    transport = httpx.AsyncHTTPTransport(local_address=CLIENT)
    async with listening(app) as url, httpx.AsyncClient(transport=transport) as client:
        assert (await client.get(url, headers=FORGED)).status_code == 200
    assert addresses(caplog) == [CLIENT]


async def test_no_key_is_written_down(publish: Publish, client_of: ClientOf) -> None:
    async with listening(app_on(ScriptedEngine())) as url:
        proxy = publish(url)
        async with client_of(proxy) as client:
            path = f"{CHAT}?key=sk-secret-4"
            reply = await client.post(path, json={"messages": MESSAGES}, headers=SECRETS)
            refused = await client.post(path, content=b"{", headers=SECRETS)
        proxy.stop()
    assert (reply.status_code, refused.status_code) == (200, 400)
    written = proxy.access_log.read_text()
    assert written.count(CHAT) == 2
    assert written.count(CLIENT) == 2
    assert reply.headers["x-request-id"] in written
    assert "sk-secret" not in written + "".join(proxy.log)


async def test_plain_http_leads_to_https(publish: Publish) -> None:
    async with listening(app_on(ScriptedEngine())) as url:
        proxy = publish(url)
        async with httpx.AsyncClient(base_url=proxy.plain_url) as client:
            reply = await client.post(CHAT, json={"messages": MESSAGES})
    # A client that follows sends the same again, not a GET.
    assert reply.status_code == 308
    assert reply.headers["location"].startswith(f"https://{HOST}")


KEPT = {
    "nginx": {"    location / {\n": "    location /gpt/ {\n"},
    "caddy": {"reverse_proxy ": "reverse_proxy /gpt/* "},
}
STRIPPED = {
    "nginx": {**KEPT["nginx"], "proxy_pass http://gpt_api;": "proxy_pass http://gpt_api/;"},
    "caddy": {"\treverse_proxy ": "\turi strip_prefix /gpt\n\treverse_proxy "},
}


@pytest.mark.parametrize("changes", [KEPT, STRIPPED], ids=["kept", "stripped"])
async def test_a_path_of_a_larger_site(
    publish: Publish, client_of: ClientOf, changes: dict[str, dict[str, str]]
) -> None:
    app = app_on(ScriptedEngine())
    app.root_path = "/gpt"
    async with listening(app) as url:
        proxy = publish(url, **changes)
        async with client_of(proxy) as client:
            reply = await client.post(f"/gpt{CHAT}", json={"messages": MESSAGES})
            assert reply.json()["choices"][0]["message"]["content"] == "Hello"
            refused = await client.post("/gpt/api/chat", json={})
            assert refused.json() == {"error": "model is required"}
            assert (await client.get("/gpt/")).json()["default_model"] == "gpt-oss-20b"
            led = await client.get("/gpt/", headers={"Accept": "text/html"})
            assert led.headers["location"] == "/gpt/docs"
            assert "'/gpt/openapi.json'" in (await client.get("/gpt/docs")).text
            described = (await client.get("/gpt/openapi.json")).json()
            assert described["servers"] == [{"url": "/gpt"}]
